"""Entries of a list put in and taken out at a place, and subsections by any of their names.

Knows the layout and the native record: the elements of an array of variable length lie one behind the other, so that
making room is moving bytes. Counts are kept by ``Record.resize``. Knows no device.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.errors import FieldError
from vnetmig.vmstate import subsections
from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.record import Record
from vnetmig.vmstate.spot import Spot, type_of


def insert(record: Record, path: str, index: int) -> None:
    """A new element, all zero, in front of element ``index`` (or behind the last) of the array at ``path``.

    The field that the number stands in is set too. FieldError when the array has a fixed number of elements.

    >>> from vnetmig.vmstate import Field, Program, Ref, UINT8, Vmsd
    >>> program = Program(Vmsd("demo", 1, (Field("num", UINT8), Field("table", UINT8, Ref("num")))))
    >>> record = program.load(bytes.fromhex("020708")).record
    >>> insert(record, "table", 1)
    >>> record.save().hex()
    '03070008'
    """
    count = record.count(path)
    if not 0 <= index <= count:
        raise FieldError(f"'{path}[{index}]': there are {count} elements; {path}[{count}] puts one behind the last")
    record.resize(path, count + 1)
    at, size = _place(record, path)
    begin, end = at + index * size, at + count * size
    record.data[begin + size : end + size] = record.data[begin:end]
    record.data[begin : begin + size] = bytes(size)


def remove(record: Record, path: str, index: int) -> None:
    """Take element ``index`` out of the array at ``path``; those behind it move up."""
    count = record.count(path)
    if not 0 <= index < count:
        raise FieldError(f"'{path}[{index}]': index {index} of {count}")
    at, size = _place(record, path)
    begin, end = at + index * size, at + count * size
    kept = bytes(record.data[begin:end])
    record.data[begin : end - size] = record.data[begin + size : end]
    try:
        record.resize(path, count - 1)
    except FieldError:
        record.data[begin:end] = kept
        raise


def _place(record: Record, path: str) -> tuple[int, int]:
    """(where the first element is, bytes of one)."""
    spot = record._compound(path)
    return record._slot(spot.at)[0], spot.node.size


def form(record: Record, path: str) -> str:
    """How people see one value at ``path``: uint, int, bool, mac, bytes; "" of an array of structs."""
    spot, _, _ = record._find(path, whole=True)
    return type_of(spot.node).form if spot.node.kind in (Kind.LEAF, Kind.VLEAF) else ""


def known_subsections(record: Record) -> Iterator[tuple[str, Node]]:
    """(path, node) of each subsection that may stand in what is there now, in declared order."""
    for spot in subsections.slots(record):
        parent = spot.path.rstrip(".")
        for node in spot.node.children:
            yield (f"{parent}.{node.name}" if parent else node.name), node


def own_subsections(record: Record) -> list[str]:
    """Names on the wire of the subsections that the device itself has now, without those inside of its parts."""
    return [
        sub.vmsd.name
        for node in record.program.children
        if node.kind == Kind.SUBSECTIONS
        for _, _, sub in record._elements(Spot(node, node.rec, (0,), "", 0))
        if sub is not None
    ]


def subsection(record: Record, name: str) -> tuple[str, Node]:
    """(path, node) of the subsection called ``name``: its path, or its name on the wire (``virtio/64bit_features``).

    FieldError when none is called so, with those that may stand there.
    """
    known = list(known_subsections(record))
    for path, node in known:
        if name in (path, node.vmsd.name):
            return path, node
    raise FieldError(f"no subsection '{name}'; there may be: {', '.join(path for path, _ in known) or 'none'}")
