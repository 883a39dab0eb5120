"""What a description means, walked item by item: the yardstick that compiled programs are measured against.

No op codes, no record, no frames: a description and a source of bytes give the leaves in wire order. With ``Wire`` as
the source it reads given bytes; with ``Invented`` it makes up bytes that the description can read.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from vnetmig.engine.code import Code, Relation
from vnetmig.vmstate import Check, Const, Count, Expr, Field, List, Marker, Optional, Ref, Struct, Version, Vmsd
from vnetmig.vmstate.description import Item
from vnetmig.vmstate.expression import Binary, Not

MASK = (1 << 64) - 1
MARK = 5


class Refused(Exception):
    def __init__(self, code: Code) -> None:
        self.code = code


class Leaf(tuple[str, int, bytes]):
    """(path, offset, bytes)"""


class Source(Protocol):
    at: int

    def take(self, size: int) -> bytes: ...
    def marker(self, width: int, number: int) -> bytes: ...
    def subsection(self, vmsd: Vmsd) -> tuple[Vmsd, int] | None: ...


class Wire:
    """Given bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise Refused(Code.TRUNCATED)
        self.at += size
        return self.data[self.at - size : self.at]

    def marker(self, width: int, number: int) -> bytes:
        return self.take(width)

    def subsection(self, vmsd: Vmsd) -> tuple[Vmsd, int] | None:
        """The next subsection of ``vmsd`` (qemu: migration/vmstate.c:vmstate_subsection_load)."""
        if self.data[self.at : self.at + 1] != bytes((MARK,)):
            return None
        start = self.at
        try:
            length = self.take(2)[1]
            name = b""
            if length > len(vmsd.name):
                name = self.take(length)
            if not name.startswith(vmsd.name.encode()) or not name:
                self.at = start
                return None
            for sub in vmsd.subsections:
                if sub.name.encode() == name:
                    version = int.from_bytes(self.take(4), "big")
                    if version > sub.version:
                        raise Refused(Code.TOO_NEW)
                    if version < sub.minimum_version:
                        raise Refused(Code.TOO_OLD)
                    return sub, version
        except Refused:
            self.at = start
            raise
        self.at = start
        raise Refused(Code.UNKNOWN_SUBSECTION)


class Invented:
    """Bytes made up on the way: short lists, subsections mostly in order."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.out = bytearray()
        self.queues: list[list[Vmsd]] = []

    @property
    def at(self) -> int:
        return len(self.out)

    def put(self, data: bytes) -> bytes:
        self.out += data
        return data

    def take(self, size: int) -> bytes:
        small = self.rng.random() < 0.5
        return self.put(
            bytes(self.rng.choice((0, 0, 1, 2, 5)) if small else self.rng.randrange(256) for _ in range(size))
        )

    def marker(self, width: int, number: int) -> bytes:
        value = 0 if number >= 4 or self.rng.random() < 0.4 else self.rng.randrange(1, 5)
        return self.put(value.to_bytes(width, "big"))

    def chosen(self, vmsd: Vmsd) -> list[tuple[Vmsd, int]]:
        subs = [sub for sub in vmsd.subsections if self.rng.random() < 0.6]
        if subs and self.rng.random() < 0.15:
            subs.append(self.rng.choice(subs))
        if self.rng.random() < 0.15:
            self.rng.shuffle(subs)
        return [(sub, self._version(sub)) for sub in subs]

    def _version(self, sub: Vmsd) -> int:
        if self.rng.random() < 0.05:
            return self.rng.randrange(5)
        return self.rng.randint(sub.minimum_version, sub.version)

    def subsection(self, vmsd: Vmsd) -> tuple[Vmsd, int] | None:
        raise AssertionError("subsections are chosen all at once")


@dataclass
class Scope:
    """The values that an expression can see."""

    parent: Scope | None
    version: int | None
    own_version: int = 0
    own_marker: int | None = None
    is_subsection: bool = False
    names: dict[str, int] = field(default_factory=dict)

    def find(self, name: str) -> int:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        raise KeyError(name)

    def value(self, expr: Expr) -> int:
        if isinstance(expr, Const):
            return expr.value & MASK
        if isinstance(expr, Ref):
            return self.find(expr.path) & MASK
        if isinstance(expr, Count):
            return self.find(expr.path + "#")
        if isinstance(expr, Version):
            scope = self
            while scope.version is None and not scope.is_subsection:
                assert scope.parent is not None
                scope = scope.parent
            return scope.own_version if scope.version is None else scope.version
        if isinstance(expr, Marker):
            found: Scope | None = self
            while found is not None and found.own_marker is None:
                found = found.parent
            assert found is not None
            assert found.own_marker is not None
            return found.own_marker
        if isinstance(expr, Not):
            return int(not self.value(expr.operand))
        assert isinstance(expr, Binary)
        left, right = self.value(expr.left), self.value(expr.right)
        return COMPUTE[expr.op.name](left, right) & MASK


COMPUTE = {
    "ADD": lambda x, y: x + y,
    "SUB": lambda x, y: x - y,
    "MUL": lambda x, y: x * y,
    "DIV": lambda x, y: x // y if y else 0,
    "AND": lambda x, y: x & y,
    "OR": lambda x, y: x | y,
    "EQ": lambda x, y: int(x == y),
    "NE": lambda x, y: int(x != y),
    "LT": lambda x, y: int(x < y),
    "LE": lambda x, y: int(x <= y),
}


def leaves(vmsd: Vmsd, source: Source, version: int | None = None) -> Iterator[Leaf]:
    """Every leaf of ``vmsd`` in wire order. Refused where the bytes are not what it describes."""
    scope = Scope(None, vmsd.version if version is None else version)
    yield from _body(vmsd, source, scope, "")


def _body(vmsd: Vmsd, source: Source, scope: Scope, prefix: str) -> Iterator[Leaf]:
    for item in vmsd.fields:
        yield from _item(item, source, scope, prefix)
    if not vmsd.subsections:
        return
    seen: dict[str, int] = {}
    if isinstance(source, Invented):
        for sub, version in source.chosen(vmsd):
            source.put(bytes((MARK, len(sub.name))) + sub.name.encode() + version.to_bytes(4, "big"))
            yield from _subsection(vmsd, sub, version, source, scope, prefix, seen)
        return
    while (found := source.subsection(vmsd)) is not None:
        yield from _subsection(vmsd, *found, source, scope, prefix, seen)


def _subsection(
    vmsd: Vmsd, sub: Vmsd, version: int, source: Source, scope: Scope, prefix: str, seen: dict[str, int]
) -> Iterator[Leaf]:
    name = sub.name[len(vmsd.name) :].strip("/.")
    seen[name] = seen.get(name, 0) + 1
    path = f"{prefix}.{name}" if prefix else name
    path += f"#{seen[name]}" if seen[name] > 1 else ""
    header = len(sub.name) + 2
    yield Leaf((f"{path}.#name", source.at - header - 4, bytes((MARK, len(sub.name))) + sub.name.encode()))
    yield Leaf((f"{path}.#version", source.at - 4, version.to_bytes(4, "big")))
    inner = Scope(scope, None, own_version=version, is_subsection=True)
    yield from _body(sub, source, inner, path)


def _there(item: Item, scope: Scope) -> bool:
    since = getattr(item, "since", 0)
    if since and scope.value(Version()) < since:
        return False
    when = None if isinstance(item, Check | Optional) else item.when
    return when is None or bool(scope.value(when))


def _item(item: Item, source: Source, scope: Scope, prefix: str) -> Iterator[Leaf]:
    if isinstance(item, Check):
        got, expected = scope.value(item.got), scope.value(item.expected)
        if not (got <= expected if item.relation == Relation.AT_MOST else got == expected):
            raise Refused(Code.CHECK)
        return
    path = f"{prefix}.{item.name}" if prefix and item.name else prefix or item.name
    if not _there(item, scope):
        _absent(item, scope, "")
        return
    if isinstance(item, Field):
        yield from _field(item, source, scope, path)
    elif isinstance(item, Optional):
        if scope.value(item.when):
            yield from _body(item.body, source, Scope(scope, item.body.version), path)
    elif isinstance(item, List):
        yield from _list(item, source, scope, path)
    elif item.count is None:
        inner = Scope(scope, item.body.version)
        yield from _body(item.body, source, inner, path)
        scope.names.update({f"{item.name}.{name}": value for name, value in inner.names.items()})
    else:
        for index in range(_count(item, scope)):
            yield from _body(item.body, source, Scope(scope, item.body.version), f"{path}[{index}]")


def _absent(item: Item, scope: Scope, prefix: str) -> None:
    """A field that is not there reads as zero."""
    if isinstance(item, Field) and item.count is None:
        scope.names[prefix + item.name] = 0
    elif isinstance(item, List):
        scope.names[prefix + item.name + "#"] = 0
    elif isinstance(item, Struct) and item.count is None:
        for inner in item.body.fields:
            _absent(inner, scope, f"{prefix}{item.name}.")


def _count(item: Field | Struct, scope: Scope) -> int:
    if not isinstance(item.count, Expr):
        return item.count or 0
    count = scope.value(item.count)
    if isinstance(item.count.fold({}), Const):  # not from the wire: no limit applies
        return count
    if count > item.limit:
        raise Refused(Code.LIMIT)
    return count


def _field(item: Field, source: Source, scope: Scope, path: str) -> Iterator[Leaf]:
    kind = item.type
    count = 1 if item.count is None else _count(item, scope)
    start = source.at
    data = source.take(kind.size * count)
    if kind.form == "bytes":
        if count:
            yield Leaf((path, start, data))
        return
    if item.count is None:
        if kind.form in ("uint", "int", "bool"):
            value = int.from_bytes(data, "little" if kind.order == "le" else "big", signed=kind.form == "int")
            scope.names[item.name] = value & MASK
        yield Leaf((path, start, data))
        return
    for index in range(count):
        yield Leaf((f"{path}[{index}]", start + index * kind.size, data[index * kind.size : (index + 1) * kind.size]))


def _list(item: List, source: Source, scope: Scope, path: str) -> Iterator[Leaf]:
    number = 0
    scope.names[item.name + "#"] = 0
    while True:
        data = source.marker(item.marker, number)
        marker = int.from_bytes(data, "big")
        if not marker:
            yield Leaf((f"{path}.end.#marker", source.at - item.marker, data))
            return
        if number >= item.limit:
            raise Refused(Code.LIMIT)
        yield Leaf((f"{path}[{number}].#marker", source.at - item.marker, data))
        number += 1
        scope.names[item.name + "#"] = number
        yield from _body(item.body, source, Scope(scope, item.body.version, own_marker=marker), f"{path}[{number - 1}]")
