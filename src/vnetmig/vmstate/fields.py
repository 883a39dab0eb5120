"""All leaves of a record as one lazy mapping: path -> Field, every byte of the payload exactly once.

Knows how a leaf is named and cut (array elements, registers, markers, subsection headers). Nothing is
computed before it is asked for, and nothing is kept.
"""

from __future__ import annotations

import sys
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vnetmig.vmstate.layout import Kind
from vnetmig.vmstate.rows import Row, row_of
from vnetmig.vmstate.value import Value, decode, decode_register, registers

if TYPE_CHECKING:
    from vnetmig.vmstate.record import Record, Spot


class Field(NamedTuple):
    """One leaf: its value, and where it stands. ``offset`` is absolute when the map was given a base (else
    relative to the payload); ``size`` in bytes; ``type`` as QEMU names it, or a register kind."""

    value: Value
    offset: int
    size: int
    type: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The fields of an array of plain structures, all at once: ``values`` has a tuple for each element, in it one value
    for each cell of ``row``. The first element is at ``offset``."""

    path: str
    row: Row
    offset: int
    values: Iterable[tuple[int | bytes, ...]]

    def leaves(self) -> Iterator[tuple[str, Field]]:
        """(path, Field) of each, in wire order."""
        cells, wire = self.row.cells, self.offset
        for index, values in enumerate(self.values):
            element = f"{self.path}[{index}]"
            for cell, value in zip(cells, values, strict=True):
                yield element + cell.name, Field(cell.seen(value), wire + cell.offset, cell.size, cell.type)
            wire += self.row.size


class FieldMap(Mapping[str, Field]):
    """``record.fields()``: iterate in wire order, look up by path."""

    def __init__(self, record: Record, base: int = 0) -> None:
        self._record = record
        self._base = base

    def leaves(self) -> Iterator[tuple[str, Field]]:
        """(path, Field) in wire order."""
        for piece in self.pieces():
            if type(piece) is Rows:
                yield from piece.leaves()
            else:
                yield piece  # type: ignore[misc]

    def pieces(self) -> Iterator[tuple[str, Field] | Rows]:
        """As ``leaves``, but arrays of plain structures whole, for who can do with all their fields at once."""
        record = self._record
        for spot in record.walk(rows=True):
            row = row_of(spot.node)
            if row is None:
                yield from self._cut(spot)
                continue
            begin, count = record.elements_in(spot)
            ends = range(begin, begin + count * spot.node.size, spot.node.size)
            yield Rows(spot.path, row, self._base + spot.wire, (row.values.unpack_from(record.data, at) for at in ends))

    def stretches(self) -> Iterator[tuple[int, int, int]]:
        """(offset, size, leaves) of leaves that stand side by side, in wire order: all leaves together, sooner."""
        record = self._record
        for spot in record.walk(rows=True):
            node, wire = spot.node, self._base + spot.wire
            row = row_of(node)
            if row is not None:
                count = record.elements_in(spot)[1]
                yield wire, row.size * count, len(row.cells) * count
            elif node.kind is Kind.LEAF and node.type is not None and node.type.form != "bytes":
                count = record.values_in(spot)[1]
                yield wire, node.type.size * count, count
            else:
                for _, found in self._cut(spot):
                    yield found.offset, found.size, 1

    def _cut(self, spot: Spot) -> Iterator[tuple[str, Field]]:
        node, data = spot.node, self._record.data
        wire = self._base + spot.wire
        if node.kind == Kind.SUBSECTION:
            name = node.vmsd.name
            length = len(name.encode())
            version = int.from_bytes(data[spot.at + 8 : spot.at + 12], sys.byteorder)
            yield f"{spot.path}.#name", Field(name, wire, 2 + length, "subsection")
            yield f"{spot.path}.#version", Field(version, wire + 2 + length, 4, "uint32")
            return
        if node.kind == Kind.LIST:
            marker = 0 if spot.at < 0 else int.from_bytes(data[spot.at + 4 : spot.at + 8], sys.byteorder)
            yield f"{spot.path}.#marker", Field(marker, wire, node.marker, f"uint{8 * node.marker}")
            return
        if node.kind not in (Kind.LEAF, Kind.VLEAF) or node.type is None:
            return
        at, count = self._record.values_in(spot)
        kind = node.type
        if kind.form == "bytes":
            buffer = bytes(data[at : at + count])
            known = registers(node, buffer)
            for r in known:
                yield f"{spot.path}.{r.name}", Field(decode_register(buffer, r), wire + r.offset, r.size, r.kind)
            if not known and count:
                yield spot.path, Field(buffer, wire, count, kind.name)
            return
        if node.kind == Kind.LEAF and node.count is None:
            yield spot.path, Field(decode(kind, data, at), wire, kind.size, kind.name)
            return
        for i in range(count):
            value = decode(kind, data, at + i * kind.size)
            yield f"{spot.path}[{i}]", Field(value, wire + i * kind.size, kind.size, kind.name)

    def __iter__(self) -> Iterator[str]:
        for path, _ in self.leaves():
            yield path

    def items(self) -> ItemsView[str, Field]:
        return _Items(self)

    def values(self) -> ValuesView[Field]:
        return _Values(self)

    def __len__(self) -> int:
        return sum(1 for _ in self.leaves())

    def __getitem__(self, path: str) -> Field:
        for spot in self._record.walk():
            if path.startswith(spot.path):
                for name, found in self._cut(spot):
                    if name == path:
                        return found
        raise KeyError(path)


class _Items(ItemsView[str, Field]):
    """In one walk: the inherited view would look every path up again."""

    _mapping: FieldMap

    def __iter__(self) -> Iterator[tuple[str, Field]]:
        return self._mapping.leaves()


class _Values(ValuesView[Field]):
    _mapping: FieldMap

    def __iter__(self) -> Iterator[Field]:
        return (found for _, found in self._mapping.leaves())
