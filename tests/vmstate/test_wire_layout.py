"""Rows of arrays and values: they cover the payload without a gap, and their columns are where the fields are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hex_vectors import all_vectors
from real_streams import every_committed_capture, sample, samples

from vnetmig.vmstate import UINT16, UINT32, Field, Program, Record, Ref, Struct, Vmsd
from vnetmig.vmstate.wire_layout import Row, rows

GOOD = [vector for vector in all_vectors() if vector.error is None]


def check(record: Record, payload: bytes) -> list[Row]:
    """In order, inside of the payload, every leaf where its row says."""
    found = list(rows(record))
    at = 0
    for row in found:
        assert row.offset >= at and row.stride >= 0 and row.count >= 0
        at = row.offset + row.size
    assert at <= len(payload)
    return found


@every_committed_capture
def test_rows_of_real_sections_are_in_order(folder: Path) -> None:
    for found in samples(folder):
        check(found.program.load(found.payload).record, found.payload)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector.name)
def test_rows_of_every_vector_are_in_order(vector: object) -> None:
    loaded = vector.program.load(vector.data)  # type: ignore[attr-defined]
    check(loaded.record, vector.data[: loaded.size])  # type: ignore[attr-defined]


def test_columns_are_where_the_fields_are() -> None:
    found = sample("linux-tap-4q-load-q72", "virtio-net")
    record = found.program.load(found.payload).record
    leaves = dict(record.fields().leaves())
    seen = set()
    for row in rows(record):
        for index in {0, 1, row.count - 1} & set(range(row.count)):
            for name, at, size in row.columns:
                path = f"{row.path}[{index}].{name}"
                many = path not in leaves  # an array in the element
                first = leaves[f"{path}[0]" if many else path]
                assert first.offset == row.offset + index * row.stride + at
                assert first.size == size or (many and size % first.size == 0)
                seen.add(path)
        if not row.columns and row.path in leaves:
            assert (leaves[row.path].offset, leaves[row.path].size) == (row.offset, row.size)
            seen.add(row.path)
    assert {"vq[0].num", "vq[1].last_avail_idx", "virtqueues.vq[1023].used", "isr", "tx_waiting"} <= seen


def test_an_array_of_one_size_is_one_row() -> None:
    queue = Vmsd("queue", 1, (Field("num", UINT32), Field("pair", UINT16, 2)))
    program = Program(Vmsd("demo", 1, (Field("status", UINT16), Struct("vq", queue, 8), Field("end", UINT16))))
    assert list(rows(program.new_record())) == [
        Row("status", 0, 2),
        Row("vq", 2, 8, 8, (("num", 0, 4), ("pair", 4, 4))),
        Row("end", 66, 2),
    ]


def test_what_is_not_there_has_no_row() -> None:
    found = sample("linux-tap-4q-load-q72", "virtio-net")
    record = found.program.load(found.payload).record
    before = {row.path for row in rows(record)}
    record.drop("virtqueues")
    assert before - {row.path for row in rows(record)} >= {"virtqueues.vq"}


def test_elements_that_differ_have_no_columns() -> None:
    entry = Vmsd("e", 1, (Field("k", UINT16), Field("v", UINT16, when=Ref("k") != 0)))
    record = Program(Vmsd("t", 1, (Struct("a", entry, 2),))).load(b"\0\0\0\1\0\2").record
    assert not [row for row in rows(record) if row.columns]
    assert check(record, b"\0\0\0\1\0\2")
