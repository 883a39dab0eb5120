"""Where the parts of a record stand on the wire, with arrays of one element size in one row.

``Record.walk`` names every leaf, 8,000 of them in a virtio-net section; who only wants to find an array or a column of
it asks here. Knows the layout and the native record; knows no device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.record import Record, Spot


@dataclass(frozen=True, slots=True)
class Row:
    """``count`` elements of ``stride`` bytes from wire offset ``offset`` on. ``path`` is that of the array or value.

    ``columns``: for an array of structs, (name, offset in the element, size) of each value of an element.
    """

    path: str
    offset: int
    stride: int
    count: int = 1
    columns: tuple[tuple[str, int, int], ...] = ()

    @property
    def size(self) -> int:
        return self.stride * self.count


def rows(record: Record) -> Iterator[Row]:
    """Every array and value of ``record`` in wire order. Elements of varying size get rows of their own.

    >>> from vnetmig.vmstate import Field, Program, Struct, UINT16, UINT32, Vmsd
    >>> queue = Vmsd("queue", 1, (Field("num", UINT32), Field("index", UINT16)))
    >>> program = Program(Vmsd("demo", 1, (Field("status", UINT16), Struct("vq", queue, 8))))
    >>> [(row.path, row.offset, row.stride, row.count) for row in rows(program.new_record())]
    [('status', 0, 2, 1), ('vq', 2, 6, 8)]
    """
    yield from _Walk(record).nodes(record.program.children, 0, (0,), "")


class _Walk:
    """One pass; ``at`` is the wire offset reached."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._at = 0

    def nodes(self, nodes: list[Node], base: int, frames: tuple[int, ...], prefix: str) -> Iterator[Row]:
        for node in nodes:
            if not self._record._exists(node, frames):
                continue
            path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
            spot = Spot(node, base + node.rec, frames, path, 0)
            if node.kind in (Kind.LEAF, Kind.VLEAF):
                yield self._row(path, node.size, self._record.values_in(spot)[1])
            elif node.kind == Kind.STRUCT:
                yield from self.nodes(node.children, base, frames, path)
            else:
                yield from self._elements(spot)

    def _row(self, path: str, stride: int, count: int, columns: tuple[tuple[str, int, int], ...] = ()) -> Row:
        row = Row(path, self._at, stride, count, columns)
        self._at += row.size
        return row

    def _elements(self, spot: Spot) -> Iterator[Row]:
        node, record = spot.node, self._record
        if node.kind in (Kind.FIXED, Kind.EACH):
            columns = _columns(node.children)
            if columns is not None:
                count = (node.count or 0) if node.kind == Kind.FIXED else record._slot(spot.at)[1]
                yield self._row(spot.path, sum(size for _, _, size in columns), count, columns)
                return
        for name, at, sub in record._elements(spot):
            self._at += record._opening_size(node, sub)
            yield from self.nodes((sub or node).children, at, (*spot.frames, at), name)
        if node.kind == Kind.LIST:
            self._at += node.marker


def _columns(children: list[Node]) -> tuple[tuple[str, int, int], ...] | None:
    """Of an element, when every one of the array has the same; else None."""
    found: list[tuple[str, int, int]] = []
    at = 0
    for node in children:
        if node.when is not None:
            return None
        if node.kind == Kind.LEAF:
            inner: tuple[tuple[str, int, int], ...] | None = (("", 0, node.size * (node.count or 1)),)
        elif node.kind == Kind.STRUCT:
            inner = _columns(node.children)
        else:
            inner = None
        if inner is None:
            return None
        for name, offset, size in inner:
            path = ".".join(filter(None, (node.name, name)))
            found.append((path, at + offset, size))
        at += sum(size for _, _, size in inner)
    return tuple(found)
