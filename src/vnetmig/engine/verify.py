"""Is this a program? What csrc/verify.c does, with the same verdict, and how a refusal is told.

Knows flat programs only (engine.code); reads no bytes. Every op is seen once, with the sizes of the frames that will be
open when it runs: bodies form a tree, and a program that leads to an op on two ways is refused.
"""

from __future__ import annotations

from vnetmig.engine.code import (
    DEPTH,
    EMPTY_ELEMENTS,
    LITTLE,
    NESTING,
    NODE_HEADER,
    SIGNED,
    SLOT_BYTES,
    STACK,
    SUBSECTION_HEADER,
    Flat,
    Insn,
    Op,
    OpRow,
    Rule,
)
from vnetmig.errors import ProgramError

_WORD = 1 << 32
_WIDTHS = (1, 2, 4, 8)
_LOADS = frozenset(width | sign for width in _WIDTHS for sign in (0, SIGNED))
_OPERANDS = dict.fromkeys(Insn, 2) | {Insn.END: 1, Insn.CONST: 0, Insn.LOAD: 0, Insn.NOT: 1}
"""What an instruction takes off the stack; each but END puts one value there."""

_TOLD = {
    Rule.KIND: "there is no such op",
    Rule.RUNS: "its runs are outside of the table, of no width, or not as many bytes as it says",
    Rule.PLACE: "its bytes lie outside of the frame that is open",
    Rule.EXPRESSION: "it has no valid expression: instructions, constants, operands, its one value",
    Rule.LOAD: "its expression reads outside of a frame, or no integer",
    Rule.NESTING: "its body does not end inside of the one around it, or is nested too often",
    Rule.ELEMENTS: "its nodes have no room for their header, or too many elements take no bytes",
    Rule.MARKER: "a list's marker is neither 1 nor 4 bytes",
    Rule.SUBSECTIONS: "its entries, names, sizes or bodies are outside of their tables, or out of order",
    Rule.SHARED: "it is reached on two ways",
    Rule.WORDS: "a number of the program does not fit its word",
}


def refusal(op: int, rule: int) -> ProgramError:
    """The error for a program whose ``op`` breaks ``rule``."""
    return ProgramError(op, Rule(rule).name.lower(), _TOLD[Rule(rule)])


def words_fit(flat: Flat) -> bool:
    """Do all numbers fit the words that csrc/vnetmig.h has for them?"""
    rows = (
        *((o.kind, o.flags, o.rec, o.expr, o.a, o.b, o.c, o.next) for o in flat.ops),
        *flat.runs,
        *flat.insns,
        *flat.subs,
        (flat.record_bytes, len(flat.names)),
    )
    return all(0 <= word < _WORD for row in rows for word in row) and all(0 <= c < 1 << 64 for c in flat.consts)


def verify(flat: Flat) -> tuple[int, Rule] | None:
    """(op, what rule it breaks) of the first op that cannot run, or None: ``flat`` is a program."""
    if not words_fit(flat):
        return 0, Rule.WORDS
    try:
        _Verifier(flat).body(0, len(flat.ops), True)
    except _Refused as refused:
        return refused.op, refused.rule
    return None


def check(flat: Flat) -> None:
    """ProgramError unless ``flat`` is a program."""
    found = verify(flat)
    if found is not None:
        raise refusal(*found)


class _Refused(Exception):
    def __init__(self, op: int, rule: Rule) -> None:
        self.op = op
        self.rule = rule


class _Verifier:
    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.frames = [(flat.record_bytes, 1)]  # size; how often the body may run for one byte around it
        self.open = 0
        self.visited = 0

    def body(self, pc: int, end: int, whole: bool) -> None:
        """The ops from ``pc`` to ``end``; ``whole``: the body of the root or of a subsection, which an END may end."""
        while pc < end:
            op = self.flat.ops[pc]
            _need(self.visited < len(self.flat.ops), pc, Rule.SHARED)
            self.visited += 1
            if op.kind == Op.END:
                _need(whole, pc, Rule.NESTING)
                return
            self.op(pc, op, end)
            pc = op.next if Op.EACH <= op.kind <= Op.IF else pc + 1

    def op(self, pc: int, op: OpRow, end: int) -> None:
        kind = op.kind
        if kind == Op.SPAN:
            self.runs(pc, op)
            self.place(pc, op, op.c * op.expr)
        elif kind == Op.VSPAN:
            self.runs(pc, op)
            self.expression(pc, op.expr)
            self.place(pc, op, SLOT_BYTES)
        elif kind == Op.EACH:
            self.expression(pc, op.expr)
            self.place(pc, op, SLOT_BYTES)
            self.elements(pc, op, end, op.b)
        elif kind == Op.FIXED:
            self.place(pc, op, op.c * op.expr)
            self.elements(pc, op, end, op.expr)
        elif kind == Op.LIST:
            _need(op.flags in (1, 4), pc, Rule.MARKER)
            _need(op.c >= NODE_HEADER, pc, Rule.ELEMENTS)
            self.place(pc, op, SLOT_BYTES)
            self.elements(pc, op, end, op.b)
        elif kind == Op.IF:
            self.expression(pc, op.expr)
            self.inner(pc, op, end)
        elif kind == Op.SUBSECTIONS:
            self.subsections(pc, op)
        elif kind == Op.CHECK:
            self.expression(pc, op.expr)
            self.expression(pc, op.a)
        else:
            raise _Refused(pc, Rule.KIND)

    def runs(self, pc: int, op: OpRow) -> None:
        runs = self.flat.runs[op.a : op.a + op.b]
        _need(op.a + op.b <= len(self.flat.runs), pc, Rule.RUNS)
        _need(all(kind & ~LITTLE in _WIDTHS for kind, _ in runs), pc, Rule.RUNS)
        _need(sum((kind & ~LITTLE) * count for kind, count in runs) == op.c, pc, Rule.RUNS)

    def place(self, pc: int, op: OpRow, size: int) -> None:
        _need(op.rec + size <= self.frames[-1][0], pc, Rule.PLACE)

    def expression(self, pc: int, first: int) -> None:
        n = 0
        insns = self.flat.insns
        for at in range(first, len(insns)):
            op, a, b, c = insns[at]
            taken = _OPERANDS.get(op)  # type: ignore[call-overload]
            _need(taken is not None and n >= taken, pc, Rule.EXPRESSION)
            if op == Insn.END:
                _need(n == 1, pc, Rule.EXPRESSION)
                return
            if op == Insn.LOAD:
                _need(c in _LOADS and b < len(self.frames), pc, Rule.LOAD)
                _need(a + (c & ~SIGNED) <= self.frames[-1 - b][0], pc, Rule.LOAD)
            _need(op != Insn.CONST or a < len(self.flat.consts), pc, Rule.EXPRESSION)
            n += 1 - taken
            _need(n <= STACK, pc, Rule.EXPRESSION)
        raise _Refused(pc, Rule.EXPRESSION)

    def inner(self, pc: int, op: OpRow, end: int) -> None:
        """What ``op`` skips or repeats."""
        _need(pc < op.next <= end and self.open < NESTING, pc, Rule.NESTING)
        self.open += 1
        self.body(pc + 1, op.next, False)
        self.open -= 1

    def elements(self, pc: int, op: OpRow, end: int, count: int) -> None:
        empty = 1 if op.c else self.frames[-1][1] * count
        _need(empty <= EMPTY_ELEMENTS, pc, Rule.ELEMENTS)
        _need(pc < op.next <= end, pc, Rule.NESTING)
        if len(self.frames) > DEPTH:
            return  # no frame so deep is ever opened
        self.frames.append((op.c, empty))
        self.inner(pc, op, end)
        self.frames.pop()

    def subsections(self, pc: int, op: OpRow) -> None:
        flat = self.flat
        _need(op.a + op.b <= len(flat.subs) and op.c + op.expr <= len(flat.names), pc, Rule.SUBSECTIONS)
        self.place(pc, op, SLOT_BYTES)
        for name, length, first, size, _, _ in flat.subs[op.a : op.a + op.b]:
            _need(length <= 0xFF and name + length <= len(flat.names), pc, Rule.SUBSECTIONS)
            _need(size >= SUBSECTION_HEADER and pc < first < len(flat.ops), pc, Rule.SUBSECTIONS)
            if len(self.frames) > DEPTH:
                continue
            self.frames.append((size, 1))
            self.body(first, len(flat.ops), True)
            self.frames.pop()


def _need(holds: bool, op: int, rule: Rule) -> None:
    if not holds:
        raise _Refused(op, rule)
