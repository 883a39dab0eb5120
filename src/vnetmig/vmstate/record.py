"""A device's values in native memory, by path: read, set, list, and the stream offset of each.

Knows the compiled layout; knows no engine and no device. ``Record.data`` is the fixed part followed by the
arena. Nothing is stored per element: paths and offsets are computed from the layout when asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vnetmig.engine.code import SLOT_BYTES
from vnetmig.engine.python_expression import evaluate
from vnetmig.errors import FieldError
from vnetmig.vmstate import openings, subsections
from vnetmig.vmstate.description import Field as FieldItem
from vnetmig.vmstate.description import Struct
from vnetmig.vmstate.expression import Ref
from vnetmig.vmstate.fields import FieldMap
from vnetmig.vmstate.layout import Kind, Node
from vnetmig.vmstate.rows import row_of
from vnetmig.vmstate.spot import Spot as Spot
from vnetmig.vmstate.spot import Step, is_array, leading_index, starts, type_of
from vnetmig.vmstate.value import Value, decode, decode_array, decode_register, encode, encode_register, find_register

if TYPE_CHECKING:
    from vnetmig.vmstate.program import Program

_SLOT = struct.Struct("=II")
_U32 = struct.Struct("=I")


class Record:
    """Values of one device. ``record["vq[0].num"]`` reads, ``record["vq[0].num"] = 512`` sets."""

    __slots__ = ("bound", "data", "program")

    def __init__(self, program: Program, data: bytearray) -> None:
        self.program = program
        self.data = data
        self.bound: tuple[Any, ...] | None = None
        """What ``Program.save`` keeps from one save to the next. It holds ``data``, which must not change its size
        then: grow by ``_grow``."""

    def copy(self) -> Record:
        return Record(self.program, bytearray(self.data))

    def save(self, engine: str | None = None) -> bytes:
        """The payload bytes of these values."""
        return self.program.save(self, engine)

    def _grow(self, more: bytes) -> None:
        self.data = self.data + more

    # walking

    def _exists(self, node: Node, frames: tuple[int, ...]) -> bool:
        return node.when is None or bool(evaluate(self.program.flat, node.when, self.data, frames))

    def _slot(self, at: int) -> tuple[int, int]:
        if at + SLOT_BYTES > len(self.data):
            return 0, 0
        offset, count = _SLOT.unpack_from(self.data, at)
        return offset, count

    def _nodes_of(self, at: int) -> Iterator[int]:
        """Offsets of a chain's nodes; ``at`` is the slot."""
        link, (_, count) = at, self._slot(at)
        for _ in range(count):
            if link + 4 > len(self.data):
                return
            link = _U32.unpack_from(self.data, link)[0]
            if not link:
                return
            yield link

    def _elements(self, spot: Spot) -> Iterator[tuple[str, int, Node | None]]:
        """(path component, frame base, subsection node) of each element of a compound node."""
        node, at = spot.node, spot.at
        if node.kind == Kind.FIXED:
            for index in range(node.count or 0):
                yield f"{spot.path}[{index}]", at + index * node.size, None
        elif node.kind in (Kind.EACH, Kind.OPTIONAL):
            base, count = self._slot(at)
            for index in range(count):
                name = spot.path if node.kind == Kind.OPTIONAL else f"{spot.path}[{index}]"
                yield name, base + index * node.size, None
        elif node.kind == Kind.LIST:
            for index, base in enumerate(self._nodes_of(at)):
                yield f"{spot.path}[{index}]", base, None
        elif node.kind == Kind.SUBSECTIONS:
            seen: dict[str, int] = {}
            prefix = spot.path.rstrip(".")
            for base in self._nodes_of(at):
                sub = self.program.sub_nodes.get(_U32.unpack_from(self.data, base + 4)[0])
                if sub is None:
                    return
                number = seen.get(sub.name, 0)
                seen[sub.name] = number + 1
                name = sub.name if number == 0 else f"{sub.name}#{number + 1}"  # a duplicate, kept as it came
                yield (f"{prefix}.{name}" if prefix else name), base, sub

    def values_in(self, spot: Spot) -> tuple[int, int]:
        """(record offset, number) of the values of a leaf."""
        node = spot.node
        if node.kind == Kind.VLEAF:
            return self._slot(spot.at)
        return spot.at, 1 if node.count is None else node.count

    def elements_in(self, spot: Spot) -> tuple[int, int]:
        """(record offset, number) of the elements of an array of structures."""
        node = spot.node
        return self._slot(spot.at) if node.kind is Kind.EACH else (spot.at, node.count or 0)

    def _opening_size(self, node: Node, sub: Node | None) -> int:
        """Bytes in front of an element: a list's marker, a subsection's header."""
        if sub is not None:
            return 6 + len(sub.vmsd.name.encode())
        return node.marker

    def begin_of(self, path: str) -> int | None:
        """Where the field or array ``path`` begins in the payload, if it stands near its start; None: a walk may find
        it."""
        wire = 0
        for name, node in self.program.leading:
            if node.when is not None and not self._exists(node, (0,)):
                continue
            kind = node.kind
            is_leaf = kind is Kind.LEAF or kind is Kind.VLEAF
            if name.startswith(path) or path.startswith(name):
                if name != path or not (is_leaf or any(self._elements(Spot(node, node.rec, (0,), name, 0)))):
                    return None
                return wire
            if is_leaf:
                count = self._slot(node.rec)[1] if kind is Kind.VLEAF else node.count
                wire += node.size * (1 if count is None else count)
        return None

    def walk(self, *, rows: bool = False) -> Iterator[Spot]:
        """Every leaf node in wire order (arrays whole), and each list element and subsection in front of its own.

        ``rows``: arrays of plain structures (``rows.row_of``) whole too, instead of what is in them.
        """
        yield from self._walk(self.program.children, 0, (0,), "", 0, rows)

    def _walk(
        self, nodes: list[Node], base: int, frames: tuple[int, ...], prefix: str, wire: int, rows: bool = False
    ) -> Generator[Spot, None, int]:
        """``wire``: where the nodes begin in the stream; returns where they end."""
        for node in nodes:
            if not self._exists(node, frames):
                continue
            path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
            spot = Spot(node, base + node.rec, frames, path, wire)
            if node.kind == Kind.LEAF:
                yield spot
                wire += node.size * (1 if node.count is None else node.count)
            elif node.kind == Kind.VLEAF:
                yield spot
                wire += node.size * self._slot(spot.at)[1]
            elif node.kind == Kind.STRUCT:
                wire = yield from self._walk(node.children, base, frames, path, wire, rows)
            elif rows and (row := row_of(node)) is not None:
                yield spot
                wire += row.size * self.elements_in(spot)[1]
            else:
                for name, at, sub in self._elements(spot):
                    inner = (*frames, at)
                    yield Spot(sub or node, at, inner, name, wire)
                    wire += self._opening_size(node, sub)
                    wire = yield from self._walk((sub or node).children, at, inner, name, wire, rows)
                if node.kind == Kind.LIST:
                    yield Spot(node, -1, frames, f"{path}.end", wire)
                    wire += node.marker
        return wire

    def fields(self) -> FieldMap:
        """Every byte of the payload as path -> Field, in wire order; lazy."""
        return FieldMap(self)

    # access by path

    def _find(self, path: str, whole: bool = False) -> tuple[Spot, int | None, str]:
        """(leaf spot, index in it, register path in its overlay) that ``path`` names; ``whole``: an array or
        list, without an index, is an answer too."""
        nodes, base, rest = self.program.children, 0, path
        frames: tuple[int, ...] = (0,)
        for spot, below, children, left in self._steps(path, whole):
            if children is None:
                index, rest = leading_index(left)
                return spot, index, rest.removeprefix(".")
            nodes, base, frames, rest = children, below, spot.frames, left
        what = "is not a value" if not rest else "is no field"
        raise FieldError(f"'{path}' {what} of {self.program.vmsd.name}" + self._suggest(nodes, base, frames))

    def _steps(self, path: str, whole: bool) -> Iterator[Step]:
        """One step per component of ``path``, as far as it leads."""
        nodes, base, prefix, rest = self.program.children, 0, "", path
        frames: tuple[int, ...] = (0,)
        while rest:
            found = self._step(nodes, base, frames, prefix, rest, whole)
            if found is None:
                return
            spot, base, children, rest = found
            if children is None:
                yield found
                return
            nodes, prefix, frames, rest = children, spot.path, spot.frames, rest.removeprefix(".")
            yield spot, base, children, rest

    def _opening(self, path: str) -> tuple[Node, int]:
        """(node, place) of the subsection or list element in front of which ``path`` stands; -1: the end of a list."""
        owner = path.rpartition(".")[0]
        for spot, _, children, rest in self._steps(owner, False):
            if children is not None and not rest:
                return spot.node, spot.at
        if not owner.endswith(".end"):
            raise FieldError(f"'{path}' is no field of {self.program.vmsd.name}")
        return self._compound(owner.removesuffix(".end")).node, -1

    def _step(
        self, nodes: list[Node], base: int, frames: tuple[int, ...], prefix: str, rest: str, whole: bool
    ) -> Step | None:
        """One level down."""
        best: Step | None = None
        for node in nodes:
            if not starts(rest, node.name) or not self._exists(node, frames):
                continue
            path = f"{prefix}.{node.name}" if prefix and node.name else prefix or node.name
            spot, left = Spot(node, base + node.rec, frames, path, 0), rest[len(node.name) :]
            found: Step | None = None
            if node.kind in (Kind.LEAF, Kind.VLEAF) or (whole and not left and node.kind != Kind.SUBSECTIONS):
                found = spot, 0, None, left
            elif node.kind == Kind.STRUCT and node.name:
                found = spot, base, node.children, left
            elif node.kind == Kind.STRUCT:
                found = self._step(node.children, base, frames, prefix, rest, whole)
            else:
                found = self._step_into(spot, prefix, rest)
            if found is not None and (best is None or len(found[3]) < len(best[3])):
                best = found
        return best

    def _step_into(self, spot: Spot, prefix: str, rest: str) -> Step | None:
        full = f"{prefix}.{rest}" if prefix else rest
        for element, at, sub in self._elements(spot):
            if starts(full, element) and (sub is not None or full[len(element) : len(element) + 1] != "["):
                inner = Spot(sub or spot.node, at, (*spot.frames, at), element, 0)
                return inner, at, sub.children if sub is not None else spot.node.children, full[len(element) :]
        return None

    def _suggest(self, nodes: list[Node], base: int, frames: tuple[int, ...]) -> str:
        names = [n.name for n in nodes if n.name and self._exists(n, frames)]
        for node in nodes:
            if node.kind == Kind.SUBSECTIONS:
                spot = Spot(node, base + node.rec, frames, "", 0)
                names += [name for name, _, _ in self._elements(spot)]
        return f"; there is: {', '.join(names[:40])}" if names else ""

    def __getitem__(self, path: str) -> Value:
        leaf = self.program.placed.get(path)
        if leaf is not None and self._exists(leaf, (0,)):
            at, count = self._slot(leaf.rec) if leaf.kind == Kind.VLEAF else (leaf.rec, leaf.count)
            return self._get(leaf, path, at, 1 if count is None else count, None, "")
        part = path.rpartition(".")[2]
        if part.startswith(openings.SIGN):
            return openings.read(self.data, *self._opening(path), part, path)
        spot, index, rest = self._find(path)
        at, count = self.values_in(spot)
        return self._get(spot.node, path, at, count, index, rest)

    def _get(self, node: Node, path: str, at: int, count: int, index: int | None, rest: str) -> Value:
        kind = type_of(node)
        many = is_array(node)
        if index is not None and not many:
            raise FieldError(f"'{path}': {node.path} is one value, it has no elements")
        if kind.form == "bytes":
            data = bytes(self.data[at : at + count])
            if not rest:
                return data
            return decode_register(data, find_register(node, data, rest, path))
        if rest:
            raise FieldError(f"'{path}': {node.path} is a value, it has no parts")
        if not many:
            return decode(kind, self.data, at)
        if index is None:
            return decode_array(kind, self.data, at, count)
        if not 0 <= index < count:
            raise FieldError(f"'{path}': index {index} of {count}")
        return decode(kind, self.data, at + index * kind.size)

    def get(self, path: str, default: Value | None = None) -> Value | None:
        """The value at ``path``, or ``default`` when this record has no such field."""
        try:
            return self[path]
        except FieldError:
            return default

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except FieldError:
            return False
        return True

    def __setitem__(self, path: str, value: Value) -> None:
        part = path.rpartition(".")[2]
        if part.startswith(openings.SIGN):
            openings.write(self.data, *self._opening(path), part, path, value)
            return
        spot, index, rest = self._find(path)
        node, kind = spot.node, type_of(spot.node)
        at, count = self.values_in(spot)
        many = is_array(node)
        if index is not None and not many:
            raise FieldError(f"'{path}': {node.path} is one value, it has no elements")
        if kind.form == "bytes":
            if rest:
                data = bytes(self.data[at : at + count])
                register = find_register(node, data, rest, path)
                start = at + register.offset
                self.data[start : start + register.size] = encode_register(path, register, value)
                return
            if not isinstance(value, bytes | bytearray) or len(value) != count:
                raise FieldError(f"'{path}' takes {count} bytes")
            self.data[at : at + count] = value
            return
        if rest:
            raise FieldError(f"'{path}': {node.path} is a value, it has no parts")
        values = value if many and index is None else (value,)
        if not isinstance(values, tuple | list) or (many and index is None and len(values) != count):
            raise FieldError(f"'{path}' takes {count} values")
        start = 0 if index is None else index
        if start + len(values) > count:
            raise FieldError(f"'{path}': index {index} of {count}")
        encoded = b"".join(encode(path, kind, v) for v in values)
        self.data[at + start * kind.size : at + start * kind.size + len(encoded)] = encoded

    def place(self, path: str) -> tuple[int, int]:
        """(offset, length) of a value in ``data``: for those who write the same values again and again.

        It holds until the record changes its shape: an array its number of elements, a subsection its presence.
        """
        spot, index, rest = self._find(path)
        if rest:
            raise FieldError(f"'{path}': {spot.node.path} is a value, it has no parts")
        at, count = self.values_in(spot)
        if index is None:
            return at, count * spot.node.size
        if index >= count:
            raise FieldError(f"'{path}': index {index} of {count}")
        return at + index * spot.node.size, spot.node.size

    # lists and subsections

    def count(self, path: str) -> int:
        """Number of elements of the array or list at ``path``."""
        spot = self._compound(path)
        if spot.node.kind in (Kind.LEAF, Kind.VLEAF):
            return self.values_in(spot)[1]
        return sum(1 for _ in self._elements(spot))

    def _compound(self, path: str) -> Spot:
        spot, index, rest = self._find(path, whole=True)
        if index is not None or rest:
            raise FieldError(f"'{path}' is no array of {self.program.vmsd.name}")
        return spot

    def resize(self, path: str, count: int) -> None:
        """Set the number of elements of an array; new ones are zero.

        The field that the number stands in is set too. Where the number follows from other fields, they come first:
        FieldError when they say another one.
        """
        spot = self._compound(path)
        node, item = spot.node, spot.node.item
        if node.kind not in (Kind.EACH, Kind.VLEAF) or not isinstance(item, FieldItem | Struct):
            raise FieldError(f"'{path}' has a fixed number of elements")
        if not isinstance(item.count, Ref):
            assert node.count_expr is not None
            said = evaluate(self.program.flat, node.count_expr, self.data, spot.frames)
            if said != count:
                raise FieldError(f"'{path}': its number follows from {item.count}, which is {said}")
        if not 0 <= count <= item.limit:
            raise FieldError(f"'{path}' takes 0 to {item.limit} elements, not {count}")
        offset, held = self._slot(spot.at)
        kept = bytes(self.data[offset : offset + min(held, count) * node.size])
        at = len(self.data) if count else 0
        with self.whole():
            if count:
                self._grow(kept + bytes(count * node.size - len(kept)))
            _SLOT.pack_into(self.data, spot.at, at, count)
            if isinstance(item.count, Ref):
                parent = path.rpartition(".")[0]
                self[f"{parent}.{item.count.path}" if parent else item.count.path] = count

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What the block does to the record is done as a whole, or not at all: memory may run out in the middle."""
        before = bytes(self.data)
        try:
            yield
        except BaseException:
            self.data[:] = before
            raise

    def subsections(self) -> list[str]:
        """Names of the subsections that are there, nested ones as dotted paths, in wire order."""
        return list(subsections.names(self))

    def drop(self, path: str) -> None:
        """Take a subsection out."""
        with self.whole():
            subsections.drop(self, path)

    def add(self, path: str, version: int | None = None) -> None:
        """Put a subsection in, zeroed, in the declared order. FieldError when it is there or unknown."""
        with self.whole():
            subsections.add(self, path, version)
