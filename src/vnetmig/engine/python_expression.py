"""Expressions of a program: predicates, counts and checks (csrc/interp.c:vnm_eval).

Knows instructions and the frames that are open; knows no ops. Values of the layers above are computed with it whatever
engine runs the programs, so it loads nothing of the Python engine.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from vnetmig.engine.code import SIGNED, STACK, Code, Flat, Insn

_MASK = (1 << 64) - 1
_NATIVE = {1: "B", 2: "H", 4: "I", 8: "Q", 1 | SIGNED: "b", 2 | SIGNED: "h", 4 | SIGNED: "i", 8 | SIGNED: "q"}
_I_END, _I_CONST, _I_LOAD, _I_NOT = int(Insn.END), int(Insn.CONST), int(Insn.LOAD), int(Insn.NOT)

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


class Stop(Exception):
    """Ends a run; carries the result."""

    def __init__(self, code: Code, expected: int = 0, got: int = 0) -> None:
        self.code = code
        self.expected = expected
        self.got = got


def run_expression(
    flat: Flat, first: int, record: bytes | bytearray | memoryview, length: int, frames: Sequence[int]
) -> int:
    """The value of the expression at ``insns[first]``, of ``length`` bytes of record with ``frames`` open (their record
    offsets, root first). Raises Stop."""
    stack: list[int] = []
    insns = flat.insns
    for at in range(first, len(insns)):
        op, a, b, c = insns[at]
        if op == _I_END:
            if len(stack) != 1:
                break
            return stack[0]
        if op == _I_CONST:
            if len(stack) >= STACK or a >= len(flat.consts):
                break
            stack.append(flat.consts[a])
        elif op == _I_LOAD:
            if len(stack) >= STACK or b >= len(frames):
                break
            offset = frames[-1 - b] + a
            if offset + (c & 0xFF) > length:
                raise Stop(Code.BAD_RECORD)
            native = _NATIVE.get(c & (SIGNED | 0xFF))
            if native is None:
                break
            stack.append(struct.unpack_from("=" + native, record, offset)[0] & _MASK)
        elif op == _I_NOT:
            if not stack:
                break
            stack[-1] = int(not stack[-1])
        else:
            if len(stack) < 2 or op not in COMBINE:
                break
            y = stack.pop()
            stack[-1] = COMBINE[op](stack[-1], y) & _MASK
    raise Stop(Code.BAD_PROGRAM)


def evaluate(flat: Flat, first: int, record: bytes | bytearray | memoryview, frames: Sequence[int]) -> int:
    """``run_expression`` of a whole record; 0 where that stops."""
    try:
        return run_expression(flat, first, record, len(record), frames)
    except Stop:
        return 0
