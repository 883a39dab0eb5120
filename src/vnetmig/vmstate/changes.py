"""What differs between two records, by path: for people and for statistics.

Knows the layout and native memory; knows no device. Two records of one program are walked side by side, and what has
the same bytes on both sides is not looked into: of two arrays of 1,024 queues only the queues that changed cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from vnetmig.vmstate.fields import FieldMap
from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.record import Spot
from vnetmig.vmstate.value import Value

if TYPE_CHECKING:
    from vnetmig.vmstate.record import Record

_Frames = tuple[int, ...]
_ARRAYS = (Kind.FIXED, Kind.EACH)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field whose value differs; None on the side that has no such field."""

    path: str
    before: Value | None
    after: Value | None


def changed_fields(before: Record, after: Record) -> list[FieldChange]:
    """Every field whose value differs, in wire order; those of ``after`` alone stand behind their neighbours.

    Fields are those of ``Record.fields()``: elements of arrays, registers in buffers, ``#version`` of subsections. A
    subsection that appeared or went is there with all its fields, one side None.

    >>> from vnetmig.vmstate import Field, Program, UINT16, UINT32, Vmsd
    >>> program = Program(Vmsd("demo", 1, (Field("num", UINT32), Field("index", UINT16))))
    >>> before, after = (program.load(bytes.fromhex(text)).record for text in ("000001000007", "000001000009"))
    >>> changed_fields(before, after)
    [FieldChange(path='index', before=7, after=9)]
    """
    if before.program is after.program:
        return list(_Pair(before, after).nodes(before.program.children, (0,), (0,), ""))
    return list(_between(_values(before.fields()), _values(after.fields())))


def _values(fields: FieldMap) -> dict[str, Value]:
    return {path: field.value for path, field in fields.leaves()}


def _between(old: Mapping[str, Value], new: Mapping[str, Value]) -> Iterator[FieldChange]:
    for path, value in old.items():
        if path not in new or new[path] != value:
            yield FieldChange(path, value, new.get(path))
    for path, value in new.items():
        if path not in old:
            yield FieldChange(path, None, value)


class _Pair:
    """Two records of one program."""

    def __init__(self, before: Record, after: Record) -> None:
        self.before = before
        self.after = after

    def nodes(self, nodes: list[Node], old: _Frames, new: _Frames, prefix: str) -> Iterator[FieldChange]:
        for node in nodes:
            was, is_now = self.before._exists(node, old), self.after._exists(node, new)
            if not was or not is_now:
                gone = self._all(self.before, [node], old, prefix) if was else {}
                come = self._all(self.after, [node], new, prefix) if is_now else {}
                yield from _between(gone, come)
                continue
            path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
            if node.kind == Kind.STRUCT:
                yield from self.nodes(node.children, old, new, path)
                continue
            first = Spot(node, old[-1] + node.rec, old, path, 0)
            second = Spot(node, new[-1] + node.rec, new, path, 0)
            if node.kind in (Kind.LEAF, Kind.VLEAF):
                if self._bytes(self.before, first) != self._bytes(self.after, second):
                    yield from self._cut(first, second)
            elif node.kind in _ARRAYS and _is_flat(node):
                yield from self._array(first, second)
            else:
                yield from self._elements(first, second)

    def _bytes(self, record: Record, spot: Spot) -> bytearray:
        at, count = record.values_in(spot)
        return record.data[at : at + count * spot.node.size]

    def _cut(self, first: Spot, second: Spot) -> Iterator[FieldChange]:
        """The fields of one leaf, or in front of one element."""
        old = {path: field.value for path, field in FieldMap(self.before)._cut(first)}
        new = {path: field.value for path, field in FieldMap(self.after)._cut(second)}
        yield from _between(old, new)

    def _all(self, record: Record, nodes: list[Node], frames: _Frames, prefix: str) -> dict[str, Value]:
        """What only one side has."""
        fields = FieldMap(record)
        return {
            path: field.value
            for spot in record._walk(nodes, frames[-1], frames, prefix, 0)
            for path, field in fields._cut(spot)
        }

    def _array(self, first: Spot, second: Spot) -> Iterator[FieldChange]:
        """Elements whose bytes are all there is of them."""
        node, size = first.node, first.node.size
        (was_at, was), (is_at, is_now) = _place(self.before, first), _place(self.after, second)
        common = min(was, is_now)
        old, new = self.before.data[was_at : was_at + common * size], self.after.data[is_at : is_at + common * size]
        for index in _differing(old, new, size, 0, common):
            frames = (*first.frames, was_at + index * size), (*second.frames, is_at + index * size)
            yield from self.nodes(node.children, *frames, f"{first.path}[{index}]")
        yield from _between(self._behind(self.before, first, common), self._behind(self.after, second, common))

    def _behind(self, record: Record, spot: Spot, common: int) -> dict[str, Value]:
        """Elements of an array behind the ``common`` ones."""
        found: dict[str, Value] = {}
        for path, at, _ in islice(record._elements(spot), common, None):
            found |= self._all(record, spot.node.children, (*spot.frames, at), path)
        return found

    def _elements(self, first: Spot, second: Spot) -> Iterator[FieldChange]:
        """Elements of variable size, list elements, subsections: by their names."""
        old = {name: (at, sub) for name, at, sub in self.before._elements(first)}
        new = {name: (at, sub) for name, at, sub in self.after._elements(second)}
        for name in {**old, **new}:
            spots = [
                Spot(found[1] or spot.node, found[0], (*spot.frames, found[0]), name, 0) if found else None
                for spot, found in ((first, old.get(name)), (second, new.get(name)))
            ]
            was, is_now = spots
            if was and is_now and was.node is is_now.node:
                if was.node.kind in (Kind.LIST, Kind.SUBSECTION):
                    yield from self._cut(was, is_now)
                yield from self.nodes(was.node.children, was.frames, is_now.frames, name)
            else:
                yield from _between(self._element(self.before, was), self._element(self.after, is_now))

    def _element(self, record: Record, spot: Spot | None) -> dict[str, Value]:
        """All of an element that the other side has not got."""
        if spot is None:
            return {}
        opening: dict[str, Value] = {}
        if spot.node.kind in (Kind.LIST, Kind.SUBSECTION):
            opening = {path: field.value for path, field in FieldMap(record)._cut(spot)}
        return opening | self._all(record, spot.node.children, spot.frames, spot.path)


def _place(record: Record, spot: Spot) -> tuple[int, int]:
    """(record offset, number) of an array's elements."""
    return record._slot(spot.at) if spot.node.kind == Kind.EACH else (spot.at, spot.node.count or 0)


def _is_flat(node: Node) -> bool:
    """Has an element nothing outside of its own bytes: no condition, nothing in the arena?"""
    return all(
        child.when is None
        and (child.kind == Kind.LEAF or (child.kind in (Kind.STRUCT, Kind.FIXED) and _is_flat(child)))
        for child in node.children
    )


def _differing(old: bytearray, new: bytearray, size: int, first: int, end: int) -> Iterator[int]:
    """Which of the elements [first, end) of ``size`` bytes differ, found by halves."""
    if old[first * size : end * size] == new[first * size : end * size]:
        return
    if end - first == 1:
        yield first
        return
    middle = (first + end) // 2
    yield from _differing(old, new, size, first, middle)
    yield from _differing(old, new, size, middle, end)
