"""Named bytes as a tree: leaves that follow each other without a gap, and what holds them together.

Knows nodes, paths and bytes; knows no stream. Field paths are cut into their components, arrays get an entry for each
long run of equal elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from vnetmig.report.blocks import Block
from vnetmig.vmstate.fields import Field

RUN = 16
"""Fewer equal elements than this stay as they are."""
COMPONENTS_MAX = 48
"""Components of a path that become nodes; a name from a vmdescription may hold any number of dots."""


class Kind(IntEnum):
    STREAM = 0
    PART = 1  #: of the framing: file header, configuration, command, a section's header and footer
    SECTION = 2
    STRUCT = 3
    ARRAY = 4
    RUN = 5  #: equal elements of an array
    FIELD = 6
    UNNAMED = 7  #: bytes that nothing gives a name
    ELIDED = 8  #: bytes that are not in the page
    FAULT = 9  #: where reading stopped


LEAVES = frozenset({Kind.FIELD, Kind.UNNAMED, Kind.ELIDED, Kind.FAULT})


@dataclass(slots=True, eq=False)
class Node:
    """``offset`` in the stream; ``size`` in bytes, of a leaf; ``names``: what bits or special values are called."""

    name: str
    kind: Kind
    offset: int
    size: int = 0
    type: str = ""
    value: str = ""
    names: str = ""
    children: list[Node] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    """What is to be said of it beside the tree."""

    def walk(self) -> Iterator[tuple[int, Node]]:
        """(level, node), each in front of its children."""
        waiting = [(0, self)]
        while waiting:
            level, node = waiting.pop()
            yield level, node
            waiting += [(level + 1, child) for child in reversed(node.children)]

    def leaves(self) -> Iterator[Node]:
        return (node for _, node in self.walk() if node.kind in LEAVES)

    def below(self, *names: str) -> Node:
        """The node under this one along ``names``, runs stepped through; as far as they lead."""
        node = self
        for name in names:
            found = next((child for child in node._named() if child.name == name), None)
            if found is None:
                break
            node = found
        return node

    def _named(self) -> Iterator[Node]:
        for child in self.children:
            if child.kind == Kind.RUN:
                yield from child.children
            else:
                yield child


def components(path: str) -> list[str]:
    """A path's components.

    >>> components("vq[3].num")
    ['vq', '[3]', 'num']
    """
    return path.replace("[", ".[").removeprefix(".").split(".", COMPONENTS_MAX)


Describe = Callable[[str, Field], "tuple[str, str]"]
"""(path, field) -> (value as people read it, names of its bits)."""


def add_fields(parent: Node, leaves: Iterable[tuple[str, Field]], describe: Describe, begin: int, end: int) -> int:
    """Hang fields, in wire order, under ``parent``; what no field covers between ``begin`` and ``end`` becomes unnamed
    nodes. Returns the number of fields."""
    position, count = begin, 0
    opened: list[tuple[str, Node]] = []
    for path, found in leaves:
        if found.offset > position:
            parent.children.append(unnamed(position, found.offset - position))
            opened.clear()
        *above, last = components(path)
        holder = _holder(parent, opened, above, found.offset)
        if last.startswith("[") and holder.kind == Kind.STRUCT:
            holder.kind = Kind.ARRAY
        value, names = describe(path, found)
        holder.children.append(Node(last, Kind.FIELD, found.offset, found.size, found.type, value, names))
        position = found.offset + found.size
        count += 1
    if end > position:
        parent.children.append(unnamed(position, end - position))
    return count


def unnamed(offset: int, size: int) -> Node:
    return Node("(no name)", Kind.UNNAMED, offset, size, "", f"{size} bytes that nothing describes")


def _holder(parent: Node, opened: list[tuple[str, Node]], above: Sequence[str], offset: int) -> Node:
    """The node for the components ``above`` of a path; ``opened`` are those of the field before."""
    same = 0
    while same < len(above) and same < len(opened) and opened[same][0] == above[same]:
        same += 1
    del opened[same:]
    for name in above[same:]:
        holder = opened[-1][1] if opened else parent
        if name.startswith("[") and holder.kind == Kind.STRUCT:
            holder.kind = Kind.ARRAY
        made = Node(name, Kind.STRUCT, offset)
        holder.children.append(made)
        opened.append((name, made))
    return opened[-1][1] if opened else parent


Shapes = dict[object, int]


def fold_runs(node: Node, data: memoryview, shapes: Shapes | None = None) -> tuple[int, int]:
    """Put equal neighbours in arrays into runs, and say of arrays what they hold. ``data`` is indexed by offset.

    Returns (number of the shape: equal for subtrees that differ in offsets only, offset behind the last byte).
    """
    shapes = {} if shapes is None else shapes
    if not node.children:
        key: object = (node.kind, node.type, node.value, node.size)
        return shapes.setdefault(key, len(shapes)), node.offset + node.size
    found = [fold_runs(child, data, shapes) for child in node.children]
    end = found[-1][1]
    key = tuple((child.name, shape) for child, (shape, _) in zip(node.children, found, strict=True))
    if node.kind == Kind.ARRAY:
        equal = len({shape for shape, _ in found}) == 1
        node.value = _elements(len(found), node.offset, end, data, equal=equal)
        if not equal:
            node.children = list(_folded(node.children, found, data))
    return shapes.setdefault(key, len(shapes)), end


def _folded(children: list[Node], found: list[tuple[int, int]], data: memoryview) -> Iterator[Node]:
    at = 0
    while at < len(children):
        behind = at + 1
        while behind < len(children) and found[behind][0] == found[at][0]:
            behind += 1
        run = children[at:behind]
        if len(run) < RUN:
            yield from run
        else:
            offset, end = run[0].offset, found[behind - 1][1]
            name = f"{run[0].name[:-1]}..{run[-1].name[1:]}"
            value = _elements(len(run), offset, end, data, equal=True)
            yield Node(name, Kind.RUN, offset, 0, run[0].type, value, "", run)
        at = behind


def _elements(count: int, offset: int, end: int, data: memoryview, *, equal: bool) -> str:
    if bytes(data[offset:end]).count(0) == end - offset:
        return f"{count} elements, all zero"
    return f"{count} equal elements" if equal and count > 1 else f"{count} elements"
