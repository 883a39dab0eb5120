"""A record read part by part: single values, and arrays of structs column by column.

Knows the layout and the native record; knows no device. For readers that want the same fields of all elements: a path
costs a walk for each. Where a subsection came more than once the last one counts, as it does to a loader.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.record import Record, Spot

_BITS = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True, slots=True)
class Part:
    """Fields that open one frame: those of the device itself, or of one of its subsections."""

    record: Record
    nodes: list[Node]
    frames: tuple[int, ...]

    def _node(self, name: str) -> Node | None:
        for node in self.record.program.by_name(self.nodes).get(name, ()):
            if node.when is None or self.record._exists(node, self.frames):
                return node
        return None

    def _find(self, name: str) -> Spot | None:
        node = self._node(name)
        return None if node is None else Spot(node, self.frames[-1] + node.rec, self.frames, name, 0)

    def value(self, name: str) -> int | None:
        """The unsigned integer called ``name``; None when there is none."""
        node = self._node(name)
        if node is None or not _is_number(node):
            return None
        at = self.frames[-1] + node.rec
        data = self.record.data[at : at + node.size]
        return int.from_bytes(data, sys.byteorder) if len(data) == node.size else None

    def place(self, name: str) -> tuple[int, int] | None:
        """(offset, length) in ``Record.data`` of the value called ``name``, an array whole; None when there is none."""
        spot = self._find(name)
        if spot is None or spot.node.kind not in (Kind.LEAF, Kind.VLEAF):
            return None
        at, count = self.record.values_in(spot)
        return at, count * spot.node.size

    def columns(self, name: str, limit: int) -> dict[str, tuple[int, ...]]:
        """Field -> its value in each of the first ``limit`` elements of the array of structs called ``name``.

        Empty when there is no such array. Only unsigned integers make a column.
        """
        spot = self._find(name)
        if spot is None or spot.node.kind not in (Kind.FIXED, Kind.EACH) or not spot.node.size:
            return {}
        node, data = spot.node, self.record.data
        at, count = self.record._slot(spot.at) if node.kind == Kind.EACH else (spot.at, node.count or 0)
        count = min(count, limit, max(0, len(data) - at) // node.size)
        rows = bytes(data[at : at + count * node.size])
        found: dict[str, tuple[int, ...]] = {}
        for child in node.children:
            if _is_number(child) and child.when is None:
                row = _row(child.rec, child.size, node.size)
                found[child.name] = tuple([value for (value,) in row.iter_unpack(rows)])
        return found


@lru_cache(maxsize=256)
def _row(at: int, size: int, element: int) -> struct.Struct:
    """One number of ``size`` bytes at ``at`` in an element."""
    return struct.Struct(f"={at}x{_BITS[size]}{element - at - size}x")


def parts(record: Record) -> dict[str, Part]:
    """The device's own part under "", and each of its subsections under its name."""
    found = {"": Part(record, record.program.children, (0,))}
    for node in record.program.by_name(record.program.children).get("", ()):
        if node.kind == Kind.SUBSECTIONS and record._exists(node, (0,)):
            for _, base, sub in record._elements(Spot(node, node.rec, (0,), "", 0)):
                if sub is not None:
                    found[sub.name] = Part(record, sub.children, (0, base))
    return found


def below(part: Part) -> dict[str, Part]:
    """Subsections in ``part``, and in its structs, by name."""
    found: dict[str, Part] = {}
    _below(part, part.nodes, found)
    return found


def _below(part: Part, nodes: list[Node], found: dict[str, Part]) -> None:
    record, frames = part.record, part.frames
    for node in nodes:
        if node.kind == Kind.STRUCT and record._exists(node, frames):
            _below(part, node.children, found)
        elif node.kind == Kind.SUBSECTIONS and record._exists(node, frames):
            for _, base, sub in record._elements(Spot(node, frames[-1] + node.rec, frames, "", 0)):
                if sub is not None:
                    found[sub.name] = Part(record, sub.children, (*frames, base))


def _is_number(node: Node) -> bool:
    return node.kind == Kind.LEAF and node.count is None and node.type is not None and node.type.form == "uint"
