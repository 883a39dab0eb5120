"""The compiled shape of a description: where each field lies in a record, and what its parts are.

Knows record offsets, element sizes and compiled expressions; knows neither values nor stream offsets
(a record plus this gives both). Made by the compiler, read by records, errors and documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from vnetmig.vmstate.description import Item, Vmsd
from vnetmig.vmstate.types import Type


class Kind(Enum):
    LEAF = auto()  #: one value, or a constant number of them, inline
    VLEAF = auto()  #: values in the arena, number by an expression
    STRUCT = auto()  #: fields inline, in the same frame
    FIXED = auto()  #: a constant number of elements inline, a frame each
    EACH = auto()  #: elements in the arena, number by an expression
    OPTIONAL = auto()  #: nought or one element in the arena, shown without an index
    LIST = auto()  #: a chain of nodes
    SUBSECTIONS = auto()  #: a chain of nodes; children are the known subsections
    SUBSECTION = auto()  #: one known subsection


@dataclass(slots=True, eq=False)
class Node:
    """One field of the layout. ``rec`` is relative to the open frame; ``size`` is the bytes of one value or
    element in the record; ``path`` is relative to the frame."""

    kind: Kind
    name: str
    path: str
    rec: int
    vmsd: Vmsd
    item: Item | None = None
    type: Type | None = None
    size: int = 0
    count: int | None = None
    count_expr: int | None = None
    when: int | None = None
    marker: int = 0
    children: list[Node] = field(default_factory=list)
    first_sub: int = 0


def subsection_name(parent: Vmsd, sub: Vmsd) -> str:
    """A subsection's name as a path component: what follows the parent's name, without separators."""
    name = sub.name[len(parent.name) :] if sub.name.startswith(parent.name) else sub.name
    return name.strip("/.-_").replace("/", "_").replace(".", "_") or sub.name
