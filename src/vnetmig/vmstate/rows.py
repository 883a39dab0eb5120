"""Arrays of structures that are plain: every element has the same values at the same places.

Knows when a node is such an array, and how to take an element apart in one step. Most fields of a modern section stand
in two of them; walking them node by node takes longer than all else. Must not know streams or devices.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.vmstate.description import Field
from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.value import NATIVE

_NODES_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of an element: ``name`` is its path behind the element's, ``offset`` its place on the wire."""

    name: str
    offset: int
    size: int
    type: str
    truth: bool
    is_bytes: bool = False

    def seen(self, value: int | bytes) -> int | bytes:
        """What people see of a value that ``Row.values`` read."""
        return value == 1 if self.truth and value in (0, 1) else value


@dataclass(frozen=True, slots=True)
class Row:
    """An element: ``values`` reads it from a record, one value per cell; ``size`` is what it takes on the wire."""

    values: struct.Struct
    cells: tuple[Cell, ...]
    size: int


@lru_cache(maxsize=_NODES_KEPT)
def row_of(node: Node) -> Row | None:
    """The element of ``node``; None where elements may differ, or hold more than numbers and bytes.

    >>> from vnetmig.virtio.net import SECTION
    >>> from vnetmig.vmstate import Program
    >>> row_of(Program(SECTION, {"mmio": 0, "config_size": 12, "vectors": 0, "multiqueue": 0}).children[0]) is None
    True
    """
    if node.kind not in (Kind.FIXED, Kind.EACH) or not node.children or node.marker:
        return None
    cells: list[Cell] = []
    parts = ["="]
    wire = at = 0
    for child in node.children:
        kind = child.type
        if child.kind is not Kind.LEAF or child.when is not None or kind is None or child.rec < at:
            return None
        count = 1 if child.count is None else child.count
        parts.append(f"{child.rec - at}x")
        at = child.rec + count * kind.size
        if kind.form == "bytes":
            if not count or (isinstance(child.item, Field) and child.item.overlay is not None):
                return None
            parts.append(f"{count}s")
            cells.append(Cell(f".{child.name}", wire, count, kind.name, False, is_bytes=True))
            wire += count
            continue
        native = NATIVE.get((kind.form, kind.size))
        if native is None:
            return None
        parts.append(f"{count}{native.format[-1]}")
        for index in range(count):
            name = f".{child.name}" if child.count is None else f".{child.name}[{index}]"
            cells.append(Cell(name, wire, kind.size, kind.name, kind.form == "bool"))
            wire += kind.size
    return Row(struct.Struct("".join(parts)), tuple(cells), wire)
