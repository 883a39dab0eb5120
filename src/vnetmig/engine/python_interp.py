"""Frames and the loop over the ops: what loading and saving share (csrc/interp.c).

Knows op codes; knows neither side. It is the readable specification of both.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from vnetmig.engine.code import (
    DEPTH,
    LITTLE,
    Code,
    Flat,
    Op,
    OpRow,
    Result,
)
from vnetmig.engine.python_copy import Copy
from vnetmig.engine.python_expression import Stop, run_expression
from vnetmig.engine.verify import check

NAME = "python"

U32 = struct.Struct("=I")
SLOT = struct.Struct("=II")
SUBSECTION = struct.Struct("=III")
BE32 = struct.Struct(">I")
SUBSECTION_MARK = 0x05

# Plain integers: an enum member is dear to look up and to hash.
END, IF, CHECK = int(Op.END), int(Op.IF), int(Op.CHECK)
SPAN, VSPAN, EACH, FIXED = int(Op.SPAN), int(Op.VSPAN), int(Op.EACH), int(Op.FIXED)
LIST, SUBSECTIONS = int(Op.LIST), int(Op.SUBSECTIONS)


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
        check(flat)
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
        prepared = flat.prepared.setdefault(NAME, _Prepared(flat))
    return prepared  # type: ignore[return-value]


class Run:
    """What loading and saving share (csrc/interp.c)."""

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
            raise Stop(Code.TOO_DEEP)
        self.trail.append((pc, index))
        self.frames.append(base)

    def pop(self) -> None:
        self.trail.pop()
        self.frames.pop()

    def place(self, pc: int, size: int, code: Code) -> int:
        at = self.frames[-1] + self.ops[pc].rec
        if at + size > self.length:
            self.pc = pc
            raise Stop(code)
        return at

    def evaluate(self, first: int, pc: int) -> int:
        self.pc = pc
        return run_expression(self.flat, first, self.record, self.length, self.frames)

    def check(self, pc: int, op: OpRow) -> None:
        got = self.evaluate(op.expr, pc)
        expected = self.evaluate(op.a, pc)
        if not (got <= expected if op.flags else got == expected):
            raise Stop(Code.CHECK, expected, got)

    def runs_of(self, pc: int) -> Copy:
        copy = self.copies.get(pc)
        if copy is None:
            self.pc = pc
            raise Stop(Code.BAD_PROGRAM)
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
                if EACH <= kind <= LIST:  # those with a body
                    following = op.next
            elif kind == END:
                return
            elif kind == IF:
                if not self.evaluate(op.expr, pc):
                    following = op.next
            elif kind == CHECK:
                self.check(pc, op)
            else:
                self.pc = pc
                raise Stop(Code.BAD_PROGRAM)
            if following <= pc:
                self.pc = pc
                raise Stop(Code.BAD_PROGRAM)
            pc = following

    def elements(self, pc: int, op: OpRow, count: int, at: int) -> None:
        for index in range(count):
            self.push(pc, index, at + index * op.c)
            self.body(pc + 1, op.next)
            self.pop()

    def result(self, stop: Stop | None, used: int) -> Result:
        if stop is None:
            return Result(0, 0, self.position, used)
        return Result(stop.code, self.pc, self.position, used, stop.expected, stop.got, tuple(self.trail))
