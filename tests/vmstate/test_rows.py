"""Arrays of plain structures taken apart at once: the same leaves as node by node."""

from __future__ import annotations

from itertools import chain

import pytest

import vnetmig
from vnetmig.vmstate import Record
from vnetmig.vmstate.fields import Field, FieldMap, Rows
from vnetmig.vmstate.rows import row_of

ARRAYS = ("virtqueues.vq", "extra_state.pci.modern_state.vqs")


@pytest.fixture(scope="module")
def record() -> Record:
    document = vnetmig.load(vnetmig.sample())
    (section,) = [section for section in document.sections if section.idstr.endswith("/virtio-net")]
    assert isinstance(section.record, Record)
    return section.record


def node_by_node(record: Record) -> list[tuple[str, Field]]:
    fields = FieldMap(record)
    return list(chain.from_iterable(fields._cut(spot) for spot in record.walk()))


def test_rows_have_the_leaves_of_their_nodes(record: Record) -> None:
    plain = {spot.path for spot in record.walk(rows=True) if row_of(spot.node) is not None}
    assert plain >= set(ARRAYS), plain
    record["extra_state.pci.modern_state.vqs[1023].enabled"] = 2
    record["extra_state.pci.modern_state.vqs[1022].desc[1]"] = 0xFFFFFFFF
    assert list(record.fields().leaves()) == node_by_node(record)


def test_stretches_are_all_leaves_together(record: Record) -> None:
    begin = 1000
    leaves = [field for _, field in FieldMap(record, begin).leaves()]
    position, number = begin, 0
    for offset, size, count in FieldMap(record, begin).stretches():
        assert offset == position
        position, number = offset + size, number + count
    assert number == len(leaves)
    assert position == leaves[-1].offset + leaves[-1].size


def test_groups_are_the_leaves(record: Record) -> None:
    """An array stands for its leaves, whether of numbers or of structures."""
    groups = list(FieldMap(record, 100).groups())
    together = list(chain.from_iterable(found.leaves() if isinstance(found, Rows) else (found,) for found in groups))
    assert together == list(FieldMap(record, 100).leaves())
    arrays = {found.path: found for found in groups if isinstance(found, Rows)}
    assert {"vlans", *ARRAYS} <= set(arrays)
    assert [field.value for _, field in arrays["vlans"].leaves()] == list(record["vlans"])  # type: ignore[call-overload]
