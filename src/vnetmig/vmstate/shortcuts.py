"""Names that lead to a node of the layout without a walk: made once for a program, asked for with every record.

Knows the layout only; no values. What depends on a record's values is left to the walk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vnetmig.vmstate.layout import Kind, Node


def unnested(nodes: Iterable[Node]) -> Iterator[Node]:
    """Nodes, with those of structs without a name in the struct's place."""
    for node in nodes:
        if node.kind == Kind.STRUCT and not node.name:
            yield from unnested(node.children)
        else:
            yield node


def by_name(nodes: Sequence[Node]) -> Mapping[str, tuple[Node, ...]]:
    """All nodes of one frame that have a name, in order; under "" those without, which hold subsections."""
    found: dict[str, list[Node]] = {}
    for node in unnested(nodes):
        found.setdefault(node.name, []).append(node)
    return {name: tuple(same) for name, same in found.items()}


def placed(nodes: Sequence[Node]) -> Mapping[str, Node]:
    """Full path -> leaf, of the leaves that every record has at the same place, if it has them. Where a record has not,
    another field may have that path."""
    found: dict[str, Node] = {}
    _collect(nodes, "", found, set())
    return found


def leading(nodes: Sequence[Node]) -> tuple[tuple[str, Node], ...]:
    """(full path, node) of the leaves in front of everything else, in wire order, and of the first other node."""
    found: list[tuple[str, Node]] = []
    _lead(nodes, "", found)
    return tuple(found)


def _lead(nodes: Sequence[Node], prefix: str, found: list[tuple[str, Node]]) -> bool:
    for node in nodes:
        path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
        if node.kind == Kind.STRUCT and node.when is None:
            if not _lead(node.children, path, found):
                return False
            continue
        found.append((path, node))
        if node.kind not in (Kind.LEAF, Kind.VLEAF):
            return False
    return True


def _collect(nodes: Sequence[Node], prefix: str, found: dict[str, Node], hiding: set[str]) -> bool:
    """``hiding``: paths that depend on values, and all below them. False: from here on anything may be hidden."""
    for node in nodes:
        path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
        if node.kind == Kind.STRUCT and node.when is None:
            if not _collect(node.children, path, found, hiding):
                return False
        elif node.kind == Kind.SUBSECTIONS or not node.name:
            return False
        elif node.kind in (Kind.LEAF, Kind.VLEAF) and not _is_hidden(path, hiding):
            found.setdefault(path, node)
        else:
            hiding.add(path)
    return True


def _is_hidden(path: str, hiding: set[str]) -> bool:
    return any(path == other or path.startswith(f"{other}.") for other in hiding)
