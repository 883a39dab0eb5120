"""Places in a record that a walk comes by, and the pieces of a path that lead to one.

Knows layout nodes and the spelling of paths; knows no values.
"""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.types import Type


@dataclass(frozen=True, slots=True)
class Spot:
    """A node met on a walk: where it is in the record, its frames, its path and its place on the wire."""

    node: Node
    at: int
    frames: tuple[int, ...]
    path: str
    wire: int


Step = tuple[Spot, int, "list[Node] | None", str]
"""(spot, base of its children, its children or None for a leaf, what is left of the path)"""


def starts(rest: str, name: str) -> bool:
    """Does the path ``rest`` begin with the component ``name``?"""
    return rest.startswith(name) and (not name or rest[len(name) : len(name) + 1] in ("", ".", "["))


def leading_index(rest: str) -> tuple[int | None, str]:
    """A leading ``[index]`` of a path, and what follows it."""
    if rest.startswith("["):
        number, closing, after = rest[1:].partition("]")
        if closing and number.isascii() and number.isdigit():
            return int(number), after
    return None, rest


def is_array(node: Node) -> bool:
    """Is the leaf an array? Bytes are one value, however many."""
    return (node.count is not None or node.kind == Kind.VLEAF) and type_of(node).form != "bytes"


def type_of(node: Node) -> Type:
    assert node.type is not None
    return node.type


def holds_subsections(node: Node) -> bool:
    """Can there be a subsection in what ``node`` stands for?"""
    return node.kind == Kind.SUBSECTIONS or any(holds_subsections(child) for child in node.children)
