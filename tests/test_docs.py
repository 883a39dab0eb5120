"""The documentation tells the truth: the tutorial and every example in the code are run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import vnetmig

DOCS = Path(__file__).resolve().parent.parent / "docs"
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(vnetmig.__path__, "vnetmig.")
    if not module.name.endswith(("_ffi", "_build", "engine.native", "__main__"))
)


def test_tutorial() -> None:
    result = doctest.testfile(str(DOCS / "tutorial.md"), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_examples_in(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
