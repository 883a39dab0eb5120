"""The documentation tells the truth: the tutorial and every example in the code are run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import vnetmig

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(vnetmig.__path__, "vnetmig.")
    if not module.name.endswith(("_ffi", "_build", "engine.native", "__main__"))
)


@pytest.mark.parametrize(("page", "examples"), [("README.md", 6), ("docs/tutorial.md", 20), ("docs/own-device.md", 40)])
def test_page(page: str, examples: int) -> None:
    result = doctest.testfile(str(ROOT / page), module_relative=False)
    assert result.attempted >= examples
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_examples_in(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
