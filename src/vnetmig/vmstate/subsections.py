"""The subsections of a record: which there are, where they may stand, put in and taken out.

Knows the chains that hold them in the native record (csrc/vnetmig.h): a slot with the first node and their number; each
node begins with the next one, the entry that it is, and its version. Knows no device.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vnetmig.errors import FieldError
from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.spot import Spot, holds_subsections

if TYPE_CHECKING:
    from vnetmig.vmstate.record import Record

_U32 = struct.Struct("=I")
_HEADER = struct.Struct("=III")


def names(record: Record) -> Iterator[str]:
    """Of those that are there, nested ones as dotted paths, in wire order."""
    return _names(record, record.program.children, 0, (0,), "")


def _names(record: Record, nodes: list[Node], base: int, frames: tuple[int, ...], prefix: str) -> Iterator[str]:
    for node in nodes:
        if not holds_subsections(node) or not record._exists(node, frames):
            continue
        path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
        if node.kind == Kind.STRUCT:
            yield from _names(record, node.children, base, frames, path)
            continue
        for name, at, sub in record._elements(Spot(node, base + node.rec, frames, path, 0)):
            if sub is not None:
                yield name
            yield from _names(record, (sub or node).children, at, (*frames, at), name)


def slots(record: Record) -> Iterator[Spot]:
    """Where subsections may stand in what is there now."""
    return _slots(record, record.program.children, 0, (0,), "")


def _slots(record: Record, nodes: list[Node], base: int, frames: tuple[int, ...], prefix: str) -> Iterator[Spot]:
    for node in nodes:
        if not record._exists(node, frames) or node.kind in (Kind.LEAF, Kind.VLEAF):
            continue
        path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
        spot = Spot(node, base + node.rec, frames, path, 0)
        if node.kind == Kind.STRUCT:
            yield from _slots(record, node.children, base, frames, path)
            continue
        if node.kind == Kind.SUBSECTIONS:
            yield spot
        for name, at, sub in record._elements(spot):
            yield from _slots(record, sub.children if sub else node.children, at, (*frames, at), name)


def drop(record: Record, path: str) -> None:
    """Take one out."""
    for spot in slots(record):
        for name, base, _ in record._elements(spot):
            if name == path:
                following = _U32.unpack_from(record.data, base)[0]
                chain = list(record._nodes_of(spot.at))
                place = chain.index(base)
                _U32.pack_into(record.data, chain[place - 1] if place else spot.at, following)
                _U32.pack_into(record.data, spot.at + 4, len(chain) - 1)
                return
    raise FieldError(f"no subsection '{path}'; there is: {', '.join(names(record)) or 'none'}")


def add(record: Record, path: str, version: int | None = None) -> None:
    """Put one in, zeroed, in the declared order. FieldError when it is there or unknown."""
    parent, _, name = path.rpartition(".")
    for spot in slots(record):
        if spot.path.rstrip(".") != parent:
            continue
        for number, sub in enumerate(spot.node.children):
            if sub.name == name:
                _insert(record, spot, number, sub, path, version)
                return
    raise FieldError(f"no subsection '{path}' is known in {record.program.vmsd.name}")


def _insert(record: Record, spot: Spot, number: int, sub: Node, path: str, version: int | None) -> None:
    chain = list(record._nodes_of(spot.at))
    entries = [_U32.unpack_from(record.data, base + 4)[0] for base in chain]
    wanted = spot.node.first_sub + number
    if wanted in entries:
        raise FieldError(f"subsection '{path}' is already there")
    place = sum(entry < wanted for entry in entries)
    at = len(record.data)
    following = chain[place] if place < len(chain) else 0
    header = _HEADER.pack(following, wanted, sub.vmsd.version if version is None else version)
    record._grow(header + bytes(sub.size - len(header)))
    _U32.pack_into(record.data, chain[place - 1] if place else spot.at, at)
    _U32.pack_into(record.data, spot.at + 4, len(chain) + 1)
