"""The save side of the portable engine: a record into stream bytes (csrc/save.c)."""

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


class Saver(Run):
    def __init__(self, flat: Flat, record: bytes | bytearray | memoryview) -> None:
        super().__init__(flat, record)  # type: ignore[arg-type]
        self.length = len(record)
        self.unseen = self.length - flat.record_bytes  # bytes of the arena that nothing has led to yet
        self.parts: list[bytes | bytearray | memoryview] = []

    def stop(self, pc: int, code: Code, expected: int = 0, got: int = 0) -> Stop:
        self.pc = pc
        return Stop(code, expected, got)

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

    def lead_to(self, size: int) -> bool:
        """A slot or a link leads to ``size`` bytes: each piece of the arena has one owner (csrc/save.c:lead_to)."""
        if size > self.unseen:
            return False
        self.unseen -= size
        return True

    def slot(self, pc: int, op: OpRow, limit: int) -> tuple[int, int]:
        count = self.evaluate(op.expr, pc)
        offset, held = SLOT.unpack_from(self.record, self.place(pc, SLOT_BYTES, Code.BAD_RECORD))
        if held != count:
            raise self.stop(pc, Code.COUNT_MISMATCH, count, held)
        if count > limit:
            raise self.stop(pc, Code.LIMIT, limit, count)
        if offset + count * op.c > self.length or not self.lead_to(count * op.c):
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

    def node(self, pc: int, index: int, size: int, link: int) -> int:
        node: int = U32.unpack_from(self.record, link)[0]
        if node == 0 or node + size > self.length:
            raise self.stop(pc, Code.BAD_RECORD)
        self.push(pc, index, node)
        return node

    def list(self, pc: int, op: OpRow) -> None:
        width = op.flags
        if width not in (1, 4) or op.c < NODE_HEADER:
            raise self.stop(pc, Code.BAD_PROGRAM)
        link = self.place(pc, SLOT_BYTES, Code.BAD_RECORD)
        count = U32.unpack_from(self.record, link + 4)[0]
        if count > op.b:
            raise self.stop(pc, Code.LIMIT, op.b, count)
        for index in range(count):
            link = self.node(pc, index, op.c, link)
            if not self.lead_to(op.c):
                raise self.stop(pc, Code.BAD_RECORD)
            marker = U32.unpack_from(self.record, link + 4)[0]
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
        count = U32.unpack_from(self.record, link + 4)[0]
        if count > self.length // SUBSECTION_HEADER:
            raise self.stop(pc, Code.BAD_RECORD)
        for number in range(count):
            link = self.node(pc, number, SUBSECTION_HEADER, link)
            _, index, version = SUBSECTION.unpack_from(self.record, link)
            if not op.a <= index < op.a + op.b:
                raise self.stop(pc, Code.BAD_RECORD)
            name_offset, name_length, first, size, _, _ = flat.subs[index]
            if name_length > 0xFF or name_offset + name_length > len(flat.names) or first <= pc:
                raise self.stop(pc, Code.BAD_PROGRAM)
            if not self.lead_to(size):
                raise self.stop(pc, Code.BAD_RECORD)
            self.put(bytes((SUBSECTION_MARK, name_length)))
            self.put(flat.names[name_offset : name_offset + name_length])
            self.put(BE32.pack(version))
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
