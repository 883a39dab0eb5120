"""The workloads are what their module says, alike on both engines, and a saver that lies is caught."""

from __future__ import annotations

import re

import pytest

from vnetmig.document import workload
from vnetmig.document.workload import WORKLOADS, Workload
from vnetmig.errors import StreamError
from vnetmig.vmstate.layout import Kind

each = pytest.mark.parametrize("name", list(WORKLOADS))


def documented(name: str) -> tuple[int, int]:
    """(bytes, fields) in the module's table."""
    assert workload.__doc__ is not None
    row = re.search(rf"``{name}``.* ([\d,]+) B +([\d,]+)$", workload.__doc__, re.M)
    assert row is not None
    return int(row[1].replace(",", "")), int(row[2].replace(",", ""))


@each
def test_size_and_fields_are_as_documented(name: str) -> None:
    state = WORKLOADS[name]()
    assert (len(state.wire), state.fields) == documented(name)


@pytest.mark.parametrize("name", ["net4", "section"])
def test_fields_are_counted_right(name: str) -> None:
    state = WORKLOADS[name]()
    assert sum(spot.node.kind in (Kind.LEAF, Kind.VLEAF) for spot in state.record.walk()) == state.fields


@each
def test_saver_and_loader(name: str, engine: str) -> None:
    state = WORKLOADS[name]()
    saver = state.saver(engine)
    for _ in range(3):
        assert saver() == state.wire
    loaded = state.loader(engine)()
    assert loaded.record.data == state.record.data and loaded.size == len(state.wire)  # type: ignore[attr-defined]


@each
def test_values_tell_byte_orders_apart(name: str) -> None:
    """Made states would be no test if their numbers read the same from both ends."""
    state = WORKLOADS[name]()
    assert state.record.data[: len(state.wire)] != state.wire


def test_a_wrong_answer_is_caught(engine: str) -> None:
    state = WORKLOADS["net4"]()
    wrong = Workload("wrong", state.program, state.wire[:-1] + b"?", state.record, state.fields)
    with pytest.raises(AssertionError, match="other bytes"):
        wrong.saver(engine)


def test_bytes_that_no_engine_loads_are_told_as_such(engine: str) -> None:
    state = WORKLOADS["net4"]()
    short = Workload("short", state.program, state.wire[:-1], state.record, state.fields)
    with pytest.raises(StreamError):
        short.loader(engine)
