"""The load side of the portable engine: stream bytes into a record (csrc/load.c)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from vnetmig.engine.code import (
    NODE_HEADER,
    SLOT_BYTES,
    SUBSECTION_HEADER,
    Code,
    Flat,
    OpRow,
)
from vnetmig.engine.python_expression import Stop
from vnetmig.engine.python_interp import (
    BE32,
    EACH,
    FIXED,
    LIST,
    SLOT,
    SPAN,
    SUBSECTION,
    SUBSECTION_MARK,
    SUBSECTIONS,
    U32,
    VSPAN,
    Run,
)


class Loader(Run):
    def __init__(self, flat: Flat, data: bytes | bytearray | memoryview, record: bytearray) -> None:
        super().__init__(flat, record)
        self.data = data
        self.capacity = min(len(record), 0xFFFFFFFF)

    def need(self, pc: int, size: int) -> None:
        left = len(self.data) - self.position
        if left < size:
            self.pc = pc
            raise Stop(Code.TRUNCATED, size, left)

    def take(self, pc: int, size: int) -> int:
        at = self.length
        if size > self.capacity - at:
            self.pc = pc
            raise Stop(Code.NO_ROOM, at + size, self.capacity)
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
            raise Stop(Code.LIMIT, limit, count)
        self.need(pc, count * least)
        return count

    def vspan(self, pc: int, op: OpRow) -> None:
        self.runs_of(pc)
        count = self.count(pc, op, op.flags, op.c)
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        at = self.take(pc, count * op.c) if count else 0
        SLOT.pack_into(self.record, slot, at, count)
        if count:
            self.copy(pc, count, at)

    def each(self, pc: int, op: OpRow) -> None:
        count = self.count(pc, op, op.b, op.a)
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        at = self.take(pc, count * op.c) if count else 0
        SLOT.pack_into(self.record, slot, at, count)
        self.elements(pc, op, count, at)

    def fixed(self, pc: int, op: OpRow) -> None:
        self.elements(pc, op, op.expr, self.place(pc, op.expr * op.c, Code.BAD_PROGRAM))

    def append(self, pc: int, size: int, slot: int, last: int) -> int:
        """Link a new node behind ``last``; opens its frame."""
        count = U32.unpack_from(self.record, slot + 4)[0]
        node = self.take(pc, size)
        U32.pack_into(self.record, last if count else slot, node)
        U32.pack_into(self.record, slot + 4, count + 1)
        self.push(pc, count, node)
        return node

    def list(self, pc: int, op: OpRow) -> None:
        width = op.flags
        if width not in (1, 4) or op.c < NODE_HEADER:
            self.pc = pc
            raise Stop(Code.BAD_PROGRAM)
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        node = n = 0
        while True:
            self.need(pc, width)
            marker = int.from_bytes(self.data[self.position : self.position + width], "big")
            if marker and n >= op.b:
                self.pc = pc
                raise Stop(Code.LIMIT, op.b, n + 1)
            self.position += width
            if not marker:
                return
            node = self.append(pc, op.c, slot, node)
            U32.pack_into(self.record, node + 4, marker)
            self.body(pc + 1, op.next)
            self.pop()
            n += 1

    def subsections(self, pc: int, op: OpRow) -> None:
        flat = self.flat
        if op.a + op.b > len(flat.subs) or op.c + op.expr > len(flat.names):
            self.pc = pc
            raise Stop(Code.BAD_PROGRAM)
        prefix = flat.names[op.c : op.c + op.expr]
        slot = self.place(pc, SLOT_BYTES, Code.BAD_PROGRAM)
        node = 0
        data = self.data
        # qemu: migration/vmstate.c:vmstate_subsection_load. Another prefix belongs to an outer parent.
        while self.position < len(data) and data[self.position] == SUBSECTION_MARK:
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
                raise Stop(Code.UNKNOWN_SUBSECTION, 0, length)
            self.need(pc, 6 + length)
            version = BE32.unpack_from(data, self.position + 2 + length)[0]
            self.pc = pc
            if version > newest:
                raise Stop(Code.TOO_NEW, newest, version)
            if version < oldest:
                raise Stop(Code.TOO_OLD, oldest, version)
            if size < SUBSECTION_HEADER or first <= pc:
                raise Stop(Code.BAD_PROGRAM)
            node = self.append(pc, size, slot, node)
            SUBSECTION.pack_into(self.record, node, 0, index, version)
            self.position += 6 + length
            self.body(first, len(flat.ops))
            self.pop()

    RUN: ClassVar[Mapping[int, Callable[[Any, int, OpRow], None]]] = {
        SPAN: span,
        VSPAN: vspan,
        EACH: each,
        FIXED: fixed,
        LIST: list,
        SUBSECTIONS: subsections,
    }
