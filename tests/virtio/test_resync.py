"""The values that change with every packet: where they stand, taken out and put back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_streams import committed, document

from vnetmig.virtio.resync import ALWAYS_CHANGE, Span, resync_spans, values_at, with_values, without
from vnetmig.vmstate import Record

NAMES = ["rfc-user-1q", "rfc-user-1q-legacy", "linux-user-packed-q72", "linux-tap-4q-load-q72", "microvm-mmio-q72"]


def net(name: str) -> Record:
    record = document(committed(name)).device("virtio-net", 0).record
    assert record is not None
    return record


def expected(record: Record) -> list[Span]:
    """The same from the fields' own offsets."""
    queues = record["num_queues"]
    assert isinstance(queues, int)
    found = []
    for path, field in record.fields().leaves():
        array, _, column = path.partition("].")
        name, _, index = array.partition("[")
        columns = ALWAYS_CHANGE.get(name)
        if columns is None or (columns and (column not in columns or int(index) >= queues)):
            continue
        found.append((field.offset, field.size))
    return found


def bytes_of(spans: list[Span]) -> list[int]:
    return [at + i for at, size in spans for i in range(size)]


@pytest.mark.parametrize("name", NAMES)
def test_spans_are_those_of_the_fields(name: str) -> None:
    record = net(name)
    assert bytes_of(list(resync_spans(record))) == bytes_of(expected(record))
    assert len(resync_spans(record)) >= 2 + 3


@pytest.mark.parametrize("name", NAMES)
def test_taken_out_and_put_back(name: str) -> None:
    record = net(name)
    state, spans = record.save(), resync_spans(record)
    values = values_at(state, spans)
    assert with_values(without(state, spans), spans, values) == state
    assert not any(values_at(without(state, spans), spans))


def test_only_queues_that_there_are() -> None:
    record = net("linux-user-packed-q72").copy()
    before = resync_spans(record)
    record.resize("vq", 1)
    after = resync_spans(record)
    assert len(before) - len(after) == 2 * (1 + 5)  # two queues, and five packed values of each


SPANS = ((2, 3), (7, 1))


@given(st.binary(min_size=9, max_size=20), st.binary(max_size=6))
def test_values_of_another_size_are_none(state: bytes, values: bytes) -> None:
    made = with_values(state, SPANS, values)
    if len(values) != 4:
        assert made is None
    else:
        assert made is not None and len(made) == len(state)
        assert values_at(made, SPANS) == values and without(made, SPANS) == without(state, SPANS)
