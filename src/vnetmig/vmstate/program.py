"""A compiled description that runs: bytes to records and back, with errors that name the field.

Knows the compiler's output and the engine interface; knows no device and no stream framing. Offsets in
errors are relative to the payload.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vnetmig.engine import get as get_engine
from vnetmig.engine.code import Code, Op, Result
from vnetmig.engine.verify import words_fit
from vnetmig.errors import EncodeError, StreamError
from vnetmig.vmstate import shortcuts
from vnetmig.vmstate.compiler import Compiled, DescriptionError, compile_description
from vnetmig.vmstate.description import Check, Field, Optional, Struct, Vmsd
from vnetmig.vmstate.layout import Kind, Node, subsection_name
from vnetmig.vmstate.record import Record

RECORD_LIMIT = 1 << 30
"""Bytes of one record; far above any device, it bounds what hostile counts can ask for."""

BOUND_BYTES = 1 << 16
"""Above this many bytes, what a call costs does not matter, and the memory that binding keeps would."""

_NO_ROOM = int(Code.NO_ROOM)

# Taking what is bound from a record is one step for another thread only where the interpreter makes it one.
_MAY_BIND = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
_SAVED_ONCE: tuple[Any, ...] = (None,) * 8


@dataclass(slots=True)
class Loaded:
    """What a run of ``Program.load`` gave: the record (partial if ``error`` is set) and its wire size."""

    record: Record
    size: int
    error: StreamError | None = None
    truncated: bool = False
    needs: int = 0
    """When truncated: no fewer bytes than these can be enough."""


def _call(run: Callable[[Any], int], argument: Any, keep: Any) -> Callable[[], int]:
    call = partial(run, argument)
    call.keep = keep  # type: ignore[attr-defined]
    return call


class Program:
    """A program for one description, one set of parameters and one section version.

    >>> from vnetmig.vmstate import Field, Program, UINT16, UINT32, Vmsd
    >>> program = Program(Vmsd("demo", 1, (Field("num", UINT32), Field("index", UINT16))))
    >>> record = program.load(bytes.fromhex("00000100 0007")).record
    >>> record["num"], record["index"]
    (256, 7)
    >>> program.save(record).hex()
    '000001000007'
    """

    def __init__(self, vmsd: Vmsd, params: Mapping[str, int] | None = None, version: int | None = None) -> None:
        self.vmsd = vmsd
        self.params = dict(params or {})
        self.version = vmsd.version if version is None else version
        compiled: Compiled = compile_description(vmsd, self.params, self.version)
        if compiled.flat.record_bytes > RECORD_LIMIT or not words_fit(compiled.flat):
            raise DescriptionError(f"'{vmsd.name}' is larger than any device: its record passes {RECORD_LIMIT} bytes")
        self.flat = compiled.flat
        self.children = compiled.children
        self._parts = compiled.parts
        self._owners = compiled.owners
        self.sub_nodes = compiled.sub_nodes
        self._room = self.flat.record_bytes + 256
        self._placed: Mapping[str, Node] | None = None
        self._leading: tuple[tuple[str, Node], ...] | None = None
        self._by_name: dict[int, Mapping[str, tuple[Node, ...]]] = {}

    @property
    def placed(self) -> Mapping[str, Node]:
        """Path -> leaf, of the leaves that every record has at the same place, if it has them."""
        if self._placed is None:
            self._placed = shortcuts.placed(self.children)
        return self._placed

    @property
    def leading(self) -> tuple[tuple[str, Node], ...]:
        """(path, node) of the leaves in front of everything else, in wire order, and of the first other node."""
        if self._leading is None:
            self._leading = shortcuts.leading(self.children)
        return self._leading

    def by_name(self, nodes: list[Node]) -> Mapping[str, tuple[Node, ...]]:
        """Name -> nodes, of the ``nodes`` of one frame of this program."""
        found = self._by_name.get(id(nodes))  # the lists live as long as the program
        if found is None:
            found = self._by_name[id(nodes)] = shortcuts.by_name(nodes)
        return found

    def new_record(self) -> Record:
        """A record with every value zero, every list empty and no subsection."""
        return Record(self, bytearray(self.flat.record_bytes))

    def load(self, data: bytes | bytearray | memoryview, *, engine: str | None = None) -> Loaded:
        """Decode the payload at the start of ``data`` (more may follow it).

        Never raises for bad bytes: ``Loaded.error`` says what is wrong, and ``Loaded.record`` holds what was
        read before. ``truncated``: the data ends early, more bytes may mend it.
        """
        run = get_engine(engine).load
        room = self._room
        while True:
            buffer = bytearray(room)
            result = run(self.flat, data, buffer)
            if result.code != _NO_ROOM:
                break
            if result.expected > RECORD_LIMIT:
                error = StreamError("the device state is larger than any device", expected=RECORD_LIMIT, code="limit")
                return Loaded(Record(self, buffer[: result.used]), result.position, error.at(result.position))
            room = max(2 * room, result.expected)
        used = result.used
        if used > self._room:
            self._room = min(used, 1 << 20)
        if used != room:
            try:
                del buffer[used:]
            except BufferError:  # somebody keeps the engine's frame: a profiler, a debugger
                buffer = buffer[:used]
        record = Record(self, buffer)
        if not result.code:
            return Loaded(record, result.position)
        error = self._error(result, record, data)
        truncated = result.code == Code.TRUNCATED
        return Loaded(record, result.position, error, truncated, result.position + result.expected if truncated else 0)

    # `engine` is not keyword-only in these: a call with a default of that kind takes a quarter of a small save.

    def save(self, record: Record, engine: str | None = None) -> bytes:
        """The payload bytes of ``record``, from its values. EncodeError when they contradict each other."""
        bound = record.bound
        if bound is not None:
            record.bound = None  # taken: another thread makes its own
            data, owner, name, size, run, argument, copy, _ = bound
            if data is record.data and owner is self and name is engine and run(argument) == size:
                record.bound = bound
                return copy()  # type: ignore[no-any-return]
        return self._save(record, engine, bound is not None)

    def _save(self, record: Record, engine: str | None, again: bool) -> bytes:
        """Save without what is bound, and bind what the next save may use: a record saved once is often saved again,
        but most are never."""
        chosen = get_engine(engine)
        result, data = chosen.save(self.flat, record.data)
        if result.code:
            raise self.encode_error(result, record)
        size = len(data)
        if _MAY_BIND and chosen.CALLS_COST and 0 < size <= BOUND_BYTES:
            if again:
                output = bytearray(size)
                run, argument, keep = chosen.bind_save(self.flat, record.data, output)
                copy = memoryview(output).tobytes
                record.bound = (record.data, self, engine, size, run, argument, copy, keep)
            else:
                record.bound = _SAVED_ONCE
        return data

    def save_into(self, record: Record, output: bytearray | memoryview, engine: str | None = None) -> int:
        """Write the payload bytes of ``record`` to the start of ``output``; returns their number.

        EncodeError when the values contradict each other; ValueError when ``output`` is too small.
        """
        result = get_engine(engine).save_into(self.flat, record.data, output)
        if result.code == _NO_ROOM:
            raise ValueError(f"{result.expected} bytes do not fit {len(output)}")
        if result.code:
            raise self.encode_error(result, record)
        return result.used

    def bind_save(self, record: Record, output: bytearray, engine: str | None = None) -> Callable[[], int]:
        """``save_into`` as a call without arguments, the quickest there is: for a record saved over and over.

        While the call lives, neither ``output`` nor the record's memory can be resized. It returns 0 when the record
        cannot be saved, or not within ``output``; ``save_into`` tells why. Like ``bytes()`` of a buffer it keeps the
        interpreter's lock: for threads that are to work side by side, ``save_into`` gives it up.
        """
        return _call(*get_engine(engine).bind_save(self.flat, record.data, output))

    def bind_load(self, data: bytes | bytearray, record: Record, engine: str | None = None) -> Callable[[], int]:
        """Loading ``data`` into the memory of ``record`` as a call without arguments, for bytes that change in place.

        For states of one size: the call returns the record bytes in use, which are right only when they are as many as
        before. 0 when the bytes cannot be loaded, and then the record holds nothing of use; ``load`` tells why.
        """
        return _call(*get_engine(engine).bind_load(self.flat, data, record.data))

    # errors

    def _place(self, result: Result, record: Record) -> tuple[str, Vmsd, Node | None]:
        """Path, vmsd and node where a run stopped."""
        path = ""
        trail = (*result.frames, (result.op, -1))
        vmsd: Vmsd = self.vmsd
        node: Node | None = None
        for step, (op, index) in enumerate(trail):
            node = self._owners.get(op)
            if index < 0:
                break
            if node is None:
                continue
            if node.kind == Kind.SUBSECTIONS:
                following = trail[step + 1][0]
                sub = self._sub_of(following)
                if sub is not None:
                    path += f"{node.path}{sub.name}."
                    vmsd = sub.vmsd
            elif node.kind == Kind.OPTIONAL:
                path += f"{node.path}."
            else:
                path += f"{node.path}[{index}]."
        op = result.op
        row = self.flat.ops[op] if op < len(self.flat.ops) else None
        in_span = row is not None and row.kind in (Op.SPAN, Op.VSPAN) and op in self._parts
        if in_span and (node is None or result.code == Code.TRUNCATED):
            return self._place_in_span(result, path, op)
        if node is not None:
            return path + node.path, node.vmsd, node
        return path.rstrip("."), vmsd, None

    def _place_in_span(self, result: Result, path: str, op: int) -> tuple[str, Vmsd, Node | None]:
        """A span ends early: find the value inside of it that is cut."""
        row = self.flat.ops[op]
        parts = self._parts[op]
        owner = self._owners.get(op)
        at = result.got
        if owner is not None and row.c and owner.kind != Kind.VLEAF:
            path += f"{owner.path}[{at // row.c}]." if owner.kind != Kind.OPTIONAL else f"{owner.path}."
            at %= row.c
        chosen = parts[0]
        for part in parts:
            if part[0] <= at:
                chosen = part
        start, node = chosen
        path += node.path
        inside = (at - start) // node.size if node.size else 0
        many = node.count is not None or node.kind == Kind.VLEAF
        if many and not (node.type is not None and node.type.form == "bytes"):
            path += f"[{inside}]"
        return path, node.vmsd, node

    def _sub_of(self, op: int) -> Node | None:
        best: Node | None = None
        best_first = -1
        for index, node in self.sub_nodes.items():
            first = self.flat.subs[index][2]
            if best_first < first <= op:
                best, best_first = node, first
        return best

    def _truncated_at(self, result: Result) -> tuple[int, int, int]:
        """(offset, expected, got) of the one value that is cut, inside a span op."""
        row = self.flat.ops[result.op]
        if row.kind not in (Op.SPAN, Op.VSPAN) or not row.c:
            return result.position, result.expected, result.got
        at = result.got % row.c
        start, node = self._parts[result.op][0]
        for part_start, part in self._parts[result.op]:
            if part_start <= at:
                start, node = part_start, part
        whole = node.type is not None and node.type.form == "bytes" and node.kind == Kind.LEAF
        size = node.count or 0 if whole else node.size
        inside = start + (0 if whole or not size else (at - start) // size * size)
        offset = result.got - at + inside
        return result.position + offset, size, result.got - offset

    def _error(self, result: Result, record: Record, data: bytes | bytearray | memoryview) -> StreamError:
        path, vmsd, node = self._place(result, record)
        code = Code(result.code)
        offset, expected, got = result.position, result.expected, result.got
        failed = f"Failed to load {vmsd.name}:{path.rsplit('.', 1)[-1].split('[')[0]}"
        item = node.item if node is not None else None
        if code == Code.TRUNCATED:
            if self.flat.ops[result.op].kind == Op.SUBSECTIONS:
                failed = f"Failed to load {vmsd.name} subsection"
            offset, expected, got = self._truncated_at(result)
            where = path.rstrip(".") or None
            return StreamError(
                failed, offset=offset, field=where, expected=f"{expected} bytes", got=f"{got} bytes", code="truncated"
            )
        if code == Code.LIMIT:
            complaint = item.complaint if isinstance(item, Field | Struct) else ""
            message = complaint.format(got=got, expected=expected) if complaint else failed
            expected_text = f"at most {expected}"
            return StreamError(message, offset=offset, field=path, expected=expected_text, got=got, code="limit")
        if code in (Code.UNKNOWN_SUBSECTION, Code.TOO_NEW, Code.TOO_OLD):
            name = bytes(data[offset + 2 : offset + 2 + data[offset + 1]]).decode("ascii", "backslashreplace")
            sub = next((sub for sub in vmsd.subsections if sub.name == name), None)
            if sub is not None:
                word = "new" if code == Code.TOO_NEW else "old"
                message = f"{name}: incoming version_id {got} is too {word} for local version_id {expected}"
                path += subsection_name(vmsd, sub)
                return StreamError(message, offset=offset, field=path, expected=expected, got=got, code="version")
            known = f"one of: {', '.join(sub.name for sub in vmsd.subsections)}"
            message = f"VM subsection '{name}' in '{vmsd.name}' does not exist"
            where = path.rstrip(".") or None
            return StreamError(message, offset=offset, field=where, expected=known, got=name, code="subsection")
        if code == Code.CHECK and isinstance(item, Check):
            message = item.message.format(got=got, expected=expected)
            return StreamError(message, offset=offset, field=path.rstrip("."), expected=expected, got=got, code="check")
        return StreamError(failed, offset=offset, field=path, code=code.name.lower())

    def encode_error(self, result: Result, record: Record) -> EncodeError:
        """Why ``record`` cannot be saved, from an engine's answer."""
        path, vmsd, node = self._place(result, record)
        code = Code(result.code)
        if code == Code.COUNT_MISMATCH:
            held = f"{path} holds {result.got} elements"
            return EncodeError(f"{vmsd.name}: {held}, its count field says {result.expected}")
        if code == Code.CHECK and node is not None and isinstance(node.item, Check):
            return EncodeError(node.item.message.format(got=result.got, expected=result.expected))
        return EncodeError(f"{vmsd.name}: {path or 'record'} cannot be saved ({code.name.lower()})")


__all__ = ["RECORD_LIMIT", "Loaded", "Optional", "Program"]
