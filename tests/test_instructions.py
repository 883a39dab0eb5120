"""The gate on instruction counts closes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "tools" / "count_instructions.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("count_instructions", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_three_percent_more_is_let_through_and_no_more(script: ModuleType) -> None:
    assert script.compare({"save": 1030}, {"save": 1000}) == []
    (fault,) = script.compare({"save": 1031}, {"save": 1000})
    assert fault.startswith("save: 1031 instructions, 3.1% more")


def test_a_kernel_without_a_count_is_a_fault(script: ModuleType) -> None:
    assert len(script.compare({"save": 1}, {"load": 1})) == 2


def test_every_kernel_has_a_count(script: ModuleType) -> None:
    known = json.loads(script.TARGET.read_text(encoding="utf-8"))["instructions"]
    assert list(known) == [name for name, *_ in script.kernels()]
