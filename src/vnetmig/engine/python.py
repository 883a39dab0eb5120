"""The portable engine: the same interpreter as csrc/load.c and csrc/save.c, in Python.

It is the readable specification of the op codes: same bytes, same codes, same offsets. Needs neither
cffi nor numpy. Spans are copied whole (engine.python_copy), never field by field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from vnetmig.engine.code import (
    DEPTH,
    LITTLE,
    NODE_HEADER,
    SIGNED,
    SLOT_BYTES,
    STACK,
    SUBSECTION_HEADER,
    Bound,
    Code,
    Flat,
    Insn,
    Op,
    OpRow,
    Result,
)
from vnetmig.engine.python_copy import Copy
from vnetmig.engine.python_rings import rings as rings

NAME = "python"
CALLS_COST = False

_MASK = (1 << 64) - 1
_U32 = struct.Struct("=I")
_SLOT = struct.Struct("=II")
_SUBSECTION = struct.Struct("=III")
_BE32 = struct.Struct(">I")
_NATIVE = {1: "B", 2: "H", 4: "I", 8: "Q", 1 | SIGNED: "b", 2 | SIGNED: "h", 4 | SIGNED: "i", 8 | SIGNED: "q"}
_SUBSECTION_MARK = 0x05

# Plain integers: an enum member is dear to look up and to hash.
_END, _IF, _CHECK = int(Op.END), int(Op.IF), int(Op.CHECK)
_SPAN, _VSPAN, _EACH, _FIXED = int(Op.SPAN), int(Op.VSPAN), int(Op.EACH), int(Op.FIXED)
_LIST, _SUBSECTIONS = int(Op.LIST), int(Op.SUBSECTIONS)
_I_END, _I_CONST, _I_LOAD, _I_NOT = int(Insn.END), int(Insn.CONST), int(Insn.LOAD), int(Insn.NOT)


class _Stop(Exception):
    """Ends a run; carries the result."""

    def __init__(self, code: Code, expected: int = 0, got: int = 0) -> None:
        self.code = code
        self.expected = expected
        self.got = got


def _valid(flat: Flat, op: OpRow) -> bool:
    """The op's runs fill its pass."""
    runs = flat.runs[op.a : op.a + op.b]
    return (
        op.a + op.b <= len(flat.runs)
        and all(kind & ~LITTLE in (1, 2, 4, 8) for kind, _ in runs)
        and sum((kind & ~LITTLE) * count for kind, count in runs) == op.c
    )


class _Prepared:
    """A flat program as this engine goes through it: plain integers for kinds, a copy for each span."""

    def __init__(self, flat: Flat) -> None:
        self.ops = [replace(op, kind=int(op.kind)) for op in flat.ops]
        self.copies: dict[int, Copy] = {}
        by_runs: dict[tuple[tuple[int, int], ...], Copy] = {}
        for index, op in enumerate(flat.ops):
            if op.kind in (Op.SPAN, Op.VSPAN) and _valid(flat, op):
                runs = flat.runs[op.a : op.a + op.b]
                if runs not in by_runs:
                    by_runs[runs] = Copy(runs)
                self.copies[index] = by_runs[runs]


def _prepared(flat: Flat) -> _Prepared:
    prepared = flat.prepared.get(NAME)
    if prepared is None:
        prepared = flat.prepared[NAME] = _Prepared(flat)
    return prepared  # type: ignore[return-value]


class _Run:
    """Frames and expressions: what loading and saving share (csrc/interp.c)."""

    RUN: ClassVar[Mapping[int, Callable[[Any, int, OpRow], None]]] = {}
    """What runs an op, by its kind; those with a body of their own and those without."""

    def __init__(self, flat: Flat, record: bytearray | memoryview) -> None:
        prepared = _prepared(flat)
        self.flat = flat
        self.ops = prepared.ops
        self.record = record
        self.length = 0
        self.position = 0
        self.frames = [0]
        self.trail: list[tuple[int, int]] = []
        self.copies = prepared.copies
        self.pc = 0

    def push(self, pc: int, index: int, base: int) -> None:
        if len(self.trail) >= DEPTH:
            self.pc = pc
            raise _Stop(Code.TOO_DEEP)
        self.trail.append((pc, index))
        self.frames.append(base)

    def pop(self) -> None:
        self.trail.pop()
        self.frames.pop()

    def place(self, pc: int, size: int, code: Code) -> int:
        at = self.frames[-1] + self.ops[pc].rec
        if at + size > self.length:
            self.pc = pc
            raise _Stop(code)
        return at

    def evaluate(self, first: int, pc: int) -> int:
        self.pc = pc
        stack: list[int] = []
        insns = self.flat.insns
        for at in range(first, len(insns)):
            op, a, b, c = insns[at]
            if op == _I_END:
                if len(stack) != 1:
                    break
                return stack[0]
            if op == _I_CONST:
                if len(stack) >= STACK or a >= len(self.flat.consts):
                    break
                stack.append(self.flat.consts[a])
            elif op == _I_LOAD:
                if len(stack) >= STACK or b >= len(self.frames):
                    break
                offset = self.frames[-1 - b] + a
                if offset + (c & 0xFF) > self.length:
                    raise _Stop(Code.BAD_RECORD)
                native = _NATIVE.get(c & (SIGNED | 0xFF))
                if native is None:
                    break
                stack.append(struct.unpack_from("=" + native, self.record, offset)[0] & _MASK)
            elif op == _I_NOT:
                if not stack:
                    break
                stack[-1] = int(not stack[-1])
            else:
                if len(stack) < 2 or op not in COMBINE:
                    break
                y = stack.pop()
                stack[-1] = COMBINE[op](stack[-1], y) & _MASK
        raise _Stop(Code.BAD_PROGRAM)

    def check(self, pc: int, op: OpRow) -> None:
        got = self.evaluate(op.expr, pc)
        expected = self.evaluate(op.a, pc)
        if not (got <= expected if op.flags else got == expected):
            raise _Stop(Code.CHECK, expected, got)

    def runs_of(self, pc: int) -> Copy:
        copy = self.copies.get(pc)
        if copy is None:
            self.pc = pc
            raise _Stop(Code.BAD_PROGRAM)
        return copy

    def body(self, pc: int, end: int) -> None:
        ops, table = self.ops, self.RUN
        end = min(end, len(ops))
        while pc < end:
            op = ops[pc]
            kind = op.kind
            run = table.get(kind)
            following = pc + 1
            if run is not None:
                run(self, pc, op)
                if _EACH <= kind <= _LIST:  # those with a body
                    following = op.next
            elif kind == _END:
                return
            elif kind == _IF:
                if not self.evaluate(op.expr, pc):
                    following = op.next
            elif kind == _CHECK:
                self.check(pc, op)
            else:
                self.pc = pc
                raise _Stop(Code.BAD_PROGRAM)
            if following <= pc:
                self.pc = pc
                raise _Stop(Code.BAD_PROGRAM)
            pc = following

    def elements(self, pc: int, op: OpRow, count: int, at: int) -> None:
        for index in range(count):
            self.push(pc, index, at + index * op.c)
            self.body(pc + 1, op.next)
            self.pop()

    def result(self, stop: _Stop | None, used: int) -> Result:
        if stop is None:
            return Result(0, 0, self.position, used)
        return Result(stop.code, self.pc, self.position, used, stop.expected, stop.got, tuple(self.trail))


COMBINE: dict[int, Callable[[int, int], int]] = {
    Insn.ADD: lambda x, y: x + y,
    Insn.SUB: lambda x, y: x - y,
    Insn.MUL: lambda x, y: x * y,
    Insn.DIV: lambda x, y: x // y if y else 0,
    Insn.AND: lambda x, y: x & y,
    Insn.OR: lambda x, y: x | y,
    Insn.EQ: lambda x, y: int(x == y),
    Insn.NE: lambda x, y: int(x != y),
    Insn.LT: lambda x, y: int(x < y),
    Insn.LE: lambda x, y: int(x <= y),
}


class _Loader(_Run):
    def __init__(self, flat: Flat, data: bytes | bytearray | memoryview, record: bytearray) -> None:
        super().__init__(flat, record)
        self.data = data
        self.capacity = min(len(record), 0xFFFFFFFF)

    def need(self, pc: int, size: int) -> None:
        left = len(self.data) - self.position
        if left < size:
            self.pc = pc
            raise _Stop(Code.TRUNCATED, size, left)

    def take(self, pc: int, size: int) -> int:
        at = self.length
        if size > self.capacity - at:
            self.pc = pc
            raise _Stop(Code.NO_ROOM, at + size, self.capacity)
        self.record[at : at + size] = bytes(size)
        self.length += size
        return at

    def copy(self, pc: int, passes: int, at: int) -> None:
        runs = self.runs_of(pc)
        total = passes * runs.size
        if runs.plain:
            self.record[at : at + total] = self.data[self.position : self.position + total]
        else:
            self.record[at : at + total] = runs.copy(self.data, self.position, passes)
        self.position += total

    def span(self, pc: int, op: OpRow) -> None:
        self.runs_of(pc)
        self.need(pc, op.c * op.expr)
        self.copy(pc, op.expr, self.place(pc, op.c * op.expr, Code.BAD_PROGRAM))

    def count(self, pc: int, op: OpRow, limit: int, least: int) -> int:
        count = self.evaluate(op.expr, pc)
        if count > limit:
            raise _Stop(Code.LIMIT, limit, count)
        self.need(pc, count * least)
        return count

    def vspan(self, pc: int, op: OpRow) -> None:
        self.runs_of(pc)
        count = self.count(pc, op, op.flags, op.c)
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        at = self.take(pc, count * op.c) if count else 0
        _SLOT.pack_into(self.record, slot, at, count)
        if count:
            self.copy(pc, count, at)

    def each(self, pc: int, op: OpRow) -> None:
        count = self.count(pc, op, op.b, op.a)
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        at = self.take(pc, count * op.c) if count else 0
        _SLOT.pack_into(self.record, slot, at, count)
        self.elements(pc, op, count, at)

    def fixed(self, pc: int, op: OpRow) -> None:
        self.elements(pc, op, op.expr, self.place(pc, op.expr * op.c, Code.BAD_PROGRAM))

    def append(self, pc: int, size: int, slot: int, last: int) -> int:
        """Link a new node behind ``last``; opens its frame."""
        count = _U32.unpack_from(self.record, slot + 4)[0]
        node = self.take(pc, size)
        _U32.pack_into(self.record, last if count else slot, node)
        _U32.pack_into(self.record, slot + 4, count + 1)
        self.push(pc, count, node)
        return node

    def list(self, pc: int, op: OpRow) -> None:
        width = op.flags
        if width not in (1, 4) or op.c < NODE_HEADER:
            self.pc = pc
            raise _Stop(Code.BAD_PROGRAM)
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        node = n = 0
        while True:
            self.need(pc, width)
            marker = int.from_bytes(self.data[self.position : self.position + width], "big")
            if marker and n >= op.b:
                self.pc = pc
                raise _Stop(Code.LIMIT, op.b, n + 1)
            self.position += width
            if not marker:
                return
            node = self.append(pc, op.c, slot, node)
            _U32.pack_into(self.record, node + 4, marker)
            self.body(pc + 1, op.next)
            self.pop()
            n += 1

    def subsections(self, pc: int, op: OpRow) -> None:
        flat = self.flat
        if op.a + op.b > len(flat.subs) or op.c + op.expr > len(flat.names):
            self.pc = pc
            raise _Stop(Code.BAD_PROGRAM)
        prefix = flat.names[op.c : op.c + op.expr]
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        node = 0
        data = self.data
        # qemu: migration/vmstate.c:vmstate_subsection_load. Another prefix belongs to an outer parent.
        while self.position < len(data) and data[self.position] == _SUBSECTION_MARK:
            self.need(pc, 2)
            length = data[self.position + 1]
            if length < op.expr + 1:
                return
            self.need(pc, 2 + length)
            name = bytes(data[self.position + 2 : self.position + 2 + length])
            if not name.startswith(prefix):
                return
            for index in range(op.a, op.a + op.b):
                name_offset, name_length, first, size, newest, oldest = flat.subs[index]
                if flat.names[name_offset : name_offset + name_length] == name:
                    break
            else:
                self.pc = pc
                raise _Stop(Code.UNKNOWN_SUBSECTION, 0, length)
            self.need(pc, 6 + length)
            version = _BE32.unpack_from(data, self.position + 2 + length)[0]
            self.pc = pc
            if version > newest:
                raise _Stop(Code.TOO_NEW, newest, version)
            if version < oldest:
                raise _Stop(Code.TOO_OLD, oldest, version)
            if size < SUBSECTION_HEADER or first <= pc:
                raise _Stop(Code.BAD_PROGRAM)
            node = self.append(pc, size, slot, node)
            _SUBSECTION.pack_into(self.record, node, 0, index, version)
            self.position += 6 + length
            self.body(first, len(flat.ops))
            self.pop()

    RUN: ClassVar[Mapping[int, Callable[[Any, int, OpRow], None]]] = {
        _SPAN: span,
        _VSPAN: vspan,
        _EACH: each,
        _FIXED: fixed,
        _LIST: list,
        _SUBSECTIONS: subsections,
    }


class _Saver(_Run):
    def __init__(self, flat: Flat, record: bytes | bytearray | memoryview) -> None:
        super().__init__(flat, record)  # type: ignore[arg-type]
        self.length = len(record)
        self.parts: list[bytes | bytearray | memoryview] = []

    def stop(self, pc: int, code: Code, expected: int = 0, got: int = 0) -> _Stop:
        self.pc = pc
        return _Stop(code, expected, got)

    def put(self, data: bytes | memoryview) -> None:
        self.parts.append(data)
        self.position += len(data)

    def runs(self, pc: int, passes: int, at: int) -> None:
        runs = self.copies.get(pc) or self.runs_of(pc)
        total = passes * runs.size
        if at + total > self.length:
            raise self.stop(pc, Code.BAD_RECORD)
        self.parts.append(runs.copy(self.record, at, passes))
        self.position += total

    def span(self, pc: int, op: OpRow) -> None:
        self.runs(pc, op.expr, self.frames[-1] + op.rec)

    def slot(self, pc: int, op: OpRow, limit: int) -> tuple[int, int]:
        count = self.evaluate(op.expr, pc)
        offset, held = _SLOT.unpack_from(self.record, self.place(pc, SLOT_BYTES, Code.BAD_RECORD))
        if held != count:
            raise self.stop(pc, Code.COUNT_MISMATCH, count, held)
        if count > limit:
            raise self.stop(pc, Code.LIMIT, limit, count)
        if offset + count * op.c > self.length:
            raise self.stop(pc, Code.BAD_RECORD)
        return offset, count

    def vspan(self, pc: int, op: OpRow) -> None:
        self.runs_of(pc)
        offset, count = self.slot(pc, op, op.flags)
        if count:
            self.runs(pc, count, offset)

    def each(self, pc: int, op: OpRow) -> None:
        offset, count = self.slot(pc, op, op.b)
        self.elements(pc, op, count, offset)

    def fixed(self, pc: int, op: OpRow) -> None:
        self.elements(pc, op, op.expr, self.place(pc, op.expr * op.c, Code.BAD_RECORD))

    def node(self, pc: int, index: int, header: int, link: int) -> int:
        node: int = _U32.unpack_from(self.record, link)[0]
        if node == 0 or node + header > self.length:
            raise self.stop(pc, Code.BAD_RECORD)
        self.push(pc, index, node)
        return node

    def list(self, pc: int, op: OpRow) -> None:
        width = op.flags
        if width not in (1, 4) or op.c < NODE_HEADER:
            raise self.stop(pc, Code.BAD_PROGRAM)
        link = self.place(pc, SLOT_BYTES, Code.BAD_RECORD)
        count = _U32.unpack_from(self.record, link + 4)[0]
        if count > op.b:
            raise self.stop(pc, Code.LIMIT, op.b, count)
        for index in range(count):
            link = self.node(pc, index, NODE_HEADER, link)
            marker = _U32.unpack_from(self.record, link + 4)[0]
            if marker == 0 or (width == 1 and marker > 0xFF):
                raise self.stop(pc, Code.BAD_RECORD)
            self.put(marker.to_bytes(width, "big"))
            self.body(pc + 1, op.next)
            self.pop()
        self.put(bytes(width))

    def subsections(self, pc: int, op: OpRow) -> None:
        flat = self.flat
        if op.a + op.b > len(flat.subs):
            raise self.stop(pc, Code.BAD_PROGRAM)
        link = self.place(pc, SLOT_BYTES, Code.BAD_RECORD)
        count = _U32.unpack_from(self.record, link + 4)[0]
        if count > self.length // SUBSECTION_HEADER:
            raise self.stop(pc, Code.BAD_RECORD)
        for number in range(count):
            link = self.node(pc, number, SUBSECTION_HEADER, link)
            _, index, version = _SUBSECTION.unpack_from(self.record, link)
            if not op.a <= index < op.a + op.b:
                raise self.stop(pc, Code.BAD_RECORD)
            name_offset, name_length, first, _, _, _ = flat.subs[index]
            if name_length > 0xFF or name_offset + name_length > len(flat.names) or first <= pc:
                raise self.stop(pc, Code.BAD_PROGRAM)
            self.put(bytes((_SUBSECTION_MARK, name_length)))
            self.put(flat.names[name_offset : name_offset + name_length])
            self.put(_BE32.pack(version))
            self.body(first, len(flat.ops))
            self.pop()

    RUN: ClassVar[Mapping[int, Callable[[Any, int, OpRow], None]]] = {
        _SPAN: span,
        _VSPAN: vspan,
        _EACH: each,
        _FIXED: fixed,
        _LIST: list,
        _SUBSECTIONS: subsections,
    }


def evaluate(flat: Flat, first: int, record: bytearray | memoryview, frames: tuple[int, ...]) -> int:
    """The value of the expression at ``insns[first]`` with ``frames`` open (record offsets, root first)."""
    run = _Run(flat, record)
    run.length = len(record)
    run.frames = list(frames)
    try:
        return run.evaluate(first, 0)
    except _Stop:
        return 0


def load(flat: Flat, data: bytes | bytearray | memoryview, record: bytearray) -> Result:
    """Run ``flat`` over ``data``, filling ``record`` (fixed part, then arena). See csrc/vnetmig.h:vnm_load."""
    run = _Loader(flat, data, record)
    try:
        run.take(0, flat.record_bytes)
        run.body(0, len(flat.ops))
    except _Stop as stop:
        return run.result(stop, run.length)
    return run.result(None, run.length)


def save(flat: Flat, record: bytes | bytearray | memoryview) -> tuple[Result, bytes]:
    """The stream bytes of ``record`` (b"" on failure). See csrc/vnetmig.h:vnm_save."""
    run = _Saver(flat, record)
    try:
        if len(record) < flat.record_bytes:
            raise run.stop(0, Code.BAD_RECORD)
        run.body(0, len(flat.ops))
    except _Stop as stop:
        return run.result(stop, run.position), b""
    return run.result(None, run.position), b"".join(run.parts)


def save_into(flat: Flat, record: bytes | bytearray | memoryview, output: bytearray | memoryview) -> Result:
    """The stream bytes of ``record`` at the start of ``output``; ``used`` of them. NO_ROOM when they do not fit."""
    result, data = save(flat, record)
    room = len(output)
    if result.code == Code.OK and len(data) > room:
        return Result(Code.NO_ROOM, 0, len(data), len(data), len(data), room)
    output[: len(data)] = data
    return result


def bind_load(flat: Flat, data: bytes | bytearray, record: bytearray) -> Bound:
    """``load`` of the same bytes into the same record, again and again."""

    def run(_: object) -> int:
        result = load(flat, data, record)
        return 0 if result.code else result.used

    return run, None, None


def bind_save(flat: Flat, record: bytearray, output: bytearray) -> Bound:
    """``save_into`` of the same record to the same output, again and again."""

    def run(_: object) -> int:
        result = save_into(flat, record, output)
        return 0 if result.code else result.used

    return run, None, None
