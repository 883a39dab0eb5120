"""Descriptions: what a vmsd puts on the wire, as frozen tables in wire order with QEMU's names.

Knows fields, structs, arrays, lists, subsections and the expressions that gate them. Knows no bytes: the
compiler turns a description into a program. Nothing here is executed while a stream is read.

=============  =====================================================================================
``Field``      one value, or an array of values of one type (count: a number or an expression)
``Struct``     fields of their own, inline; with ``count`` an array of them
``Optional``   fields that are there only when an expression holds, kept apart when they are large
``List``       a marker in front of each element, zero at the end (QTAILQ, QLIST, gtree nodes)
``Check``      a relation that must hold between values read so far
``Vmsd``       a name, a version, fields, then subsections
=============  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vnetmig.engine.code import Relation
from vnetmig.vmstate.expression import Expr
from vnetmig.vmstate.overlay import Register
from vnetmig.vmstate.types import Type

COUNT_LIMIT = 1 << 16
"""Elements of an array whose description names no limit of its own."""

Overlay = Callable[[bytes], "tuple[Register, ...]"]


@dataclass(frozen=True, slots=True)
class Field:
    """A value of ``type``; with ``count`` an array. ``since``: exists from that version on; ``when``: exists
    only if the expression holds (QEMU's field_exists). ``limit`` bounds a count that comes from the wire,
    ``complaint`` is what QEMU says when it is exceeded. ``overlay`` names the inside of a buffer."""

    name: str
    type: Type
    count: int | Expr | None = None
    when: Expr | None = None
    since: int = 0
    limit: int = COUNT_LIMIT
    complaint: str = ""
    overlay: Overlay | None = None


@dataclass(frozen=True, slots=True)
class Struct:
    """Fields of another description, inline (VMS_STRUCT); its subsections follow its fields."""

    name: str
    body: Vmsd
    count: int | Expr | None = None
    when: Expr | None = None
    since: int = 0
    limit: int = COUNT_LIMIT
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Optional:
    """A struct that is there only when ``when`` holds, and takes no room in the record otherwise."""

    name: str
    body: Vmsd
    when: Expr


@dataclass(frozen=True, slots=True)
class List:
    """Elements behind a non-zero marker of ``marker`` bytes each; a zero marker ends the list."""

    name: str
    body: Vmsd
    marker: int = 1
    limit: int = COUNT_LIMIT
    when: Expr | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """``got`` must relate to ``expected``; otherwise loading stops with ``message`` ({got}, {expected})."""

    got: Expr
    expected: Expr
    message: str
    relation: Relation = Relation.EQUAL


Item = Field | Struct | Optional | List | Check


@dataclass(frozen=True, slots=True)
class Vmsd:
    """A VMStateDescription: ``fields`` in wire order, then the ``subsections`` that are needed.

    ``prefix`` is the name that its subsections must start with (the vmsd's own name, as QEMU does it).
    """

    name: str
    version: int
    fields: tuple[Item, ...]
    subsections: tuple[Vmsd, ...] = ()
    minimum_version: int = 0
