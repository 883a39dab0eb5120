"""What stands in front of an element, by path: a subsection's ``#name`` and ``#version``, a list element's ``#marker``.

Knows how a record keeps them; knows no device. They are values of the stream like any other, so ``fields()`` lists
them; a name cannot be set (drop the subsection and add another), nor can the zero that ends a list.
"""

from __future__ import annotations

import struct

from vnetmig.errors import FieldError
from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.value import Value

SIGN = "#"
_U32 = struct.Struct("=I")
_MARKER_AT, _VERSION_AT = 4, 8


def read(data: bytearray, node: Node, at: int, part: str, path: str) -> Value:
    """The value of ``part`` (such as "#version") of the element of ``node`` at ``at``; -1: the end of a list."""
    if node.kind == Kind.SUBSECTION and part == "#name":
        return node.vmsd.name
    if node.kind == Kind.LIST and at < 0 and part == "#marker":
        return 0
    value: int = _U32.unpack_from(data, _place(node, at, part, path))[0]
    return value


def write(data: bytearray, node: Node, at: int, part: str, path: str, value: object) -> None:
    """Set a version or a marker. FieldError when ``value`` cannot stand there."""
    if part == "#name" or (at < 0 and part == "#marker"):
        raise FieldError(f"'{path}' cannot be set: it is part of the format")
    place = _place(node, at, part, path)
    low, high = (1, (1 << 8 * node.marker) - 1) if part == "#marker" else (0, 0xFFFFFFFF)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise FieldError(f"'{path}' takes {low} to {high}, not {value!r}")
    _U32.pack_into(data, place, value)


def _place(node: Node, at: int, part: str, path: str) -> int:
    if node.kind == Kind.SUBSECTION and part == "#version":
        return at + _VERSION_AT
    if node.kind == Kind.LIST and part == "#marker" and at >= 0:
        return at + _MARKER_AT
    raise FieldError(f"'{path}' is no field")
