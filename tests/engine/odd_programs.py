"""Programs made by hand, and of random words: what no compiler makes, and what one could have made."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from vnetmig.engine import get
from vnetmig.engine.code import EMPTY_ELEMENTS, NESTING, STACK, Flat, Insn, Op, OpRow, Result, Rule
from vnetmig.errors import ProgramError
from vnetmig.vmstate import UINT8, UINT16, UINT32, Check, Field, List, Optional, Ref, Struct, Vmsd

EVERYTHING = Vmsd(
    "v",
    3,
    (
        Field("n", UINT8),
        Field("wide", UINT32),
        Struct("fixed", Vmsd("f", 1, (Field("a", UINT8), Field("b", UINT8, Ref("a") & 3))), 2),
        Struct("each", Vmsd("e", 1, (Field("k", UINT16), Field("x", UINT8, Ref("n") & 1))), Ref("n") & 3),
        List("list", Vmsd("l", 1, (Field("l", UINT32), Field("m", UINT16, when=Ref("l"))))),
        Optional("option", Vmsd("o", 1, (Field("o", UINT8),)), Ref("n") & 2),
        Field("late", UINT16, when=Ref("wide")),
        Check(Ref("n") & 64, Ref("n") & 64, "never"),
    ),
    (Vmsd("v/a", 2, (Field("s", UINT32),), (Vmsd("v/a/b", 1, (Field("t", UINT8),)),)), Vmsd("v/c", 1, ())),
)
"""Every kind of op, nested, and subsections of subsections."""

END = OpRow(Op.END)
CONST_3 = ((Insn.CONST, 0, 0, 0), (Insn.END, 0, 0, 0))


def flat(*ops: OpRow, runs: tuple[tuple[int, int], ...] = ((1, 4),), record_bytes: int = 16, **tables: object) -> Flat:
    given = {"insns": CONST_3, "consts": (3,), "subs": (), "names": b"", **tables}
    return Flat(ops, runs, record_bytes=record_bytes, **given)  # type: ignore[arg-type]


def condition(*insns: tuple[int, int, int, int]) -> Flat:
    """A program with a condition of these instructions."""
    return flat(OpRow(Op.IF, next=1), END, insns=(*insns, (Insn.END, 0, 0, 0)))


def load(program: Flat, data: bytes, engine: str, room: int = 256) -> tuple[Result, bytes]:
    record = bytearray(b"\xa5" * room)
    result = get(engine).load(program, data, record)
    return result, bytes(record[: result.used])


def verdict(program: Flat, engine: str) -> tuple[int, str] | None:
    """(op, rule) of the refusal, or None."""
    try:
        get(engine).load(program, b"", bytearray(8))
    except ProgramError as error:
        return error.op, error.rule
    return None


SPAN = OpRow(Op.SPAN, expr=1, a=0, b=1, c=4)

WRONG: dict[str, tuple[Rule, Flat]] = {
    "an op that is none": (Rule.KIND, flat(OpRow(99), END)),
    "runs outside of the table": (Rule.RUNS, flat(OpRow(Op.SPAN, expr=1, a=0, b=2, c=4), END)),
    "runs that do not fill the pass": (Rule.RUNS, flat(OpRow(Op.SPAN, expr=1, a=0, b=1, c=5), END)),
    "a width that is none": (Rule.RUNS, flat(OpRow(Op.SPAN, expr=1, a=0, b=1, c=3), END, runs=((3, 1),))),
    "a span behind the record": (Rule.PLACE, flat(OpRow(Op.SPAN, rec=13, expr=1, a=0, b=1, c=4), END)),
    "an expression outside of the table": (Rule.EXPRESSION, flat(OpRow(Op.IF, expr=2, next=1), END)),
    "an expression without end": (
        Rule.EXPRESSION,
        flat(OpRow(Op.IF, expr=0, next=1), END, insns=((Insn.CONST, 0, 0, 0),)),
    ),
    "a constant that is none": (
        Rule.EXPRESSION,
        flat(OpRow(Op.IF, next=1), END, insns=((Insn.CONST, 1, 0, 0), (Insn.END, 0, 0, 0))),
    ),
    "an operator without operands": (
        Rule.EXPRESSION,
        flat(OpRow(Op.IF, next=1), END, insns=((Insn.ADD, 0, 0, 0), (Insn.END, 0, 0, 0))),
    ),
    "two values left": (Rule.EXPRESSION, flat(OpRow(Op.IF, next=1), END, insns=((Insn.CONST, 0, 0, 0), *CONST_3))),
    "an instruction that is none": (
        Rule.EXPRESSION,
        flat(OpRow(Op.IF, next=1), END, insns=((77, 0, 0, 0), (Insn.END, 0, 0, 0))),
    ),
    "a width of no integer": (
        Rule.LOAD,
        flat(OpRow(Op.IF, next=1), END, insns=((Insn.LOAD, 0, 0, 3), (Insn.END, 0, 0, 0))),
    ),
    "a frame that is not open": (
        Rule.LOAD,
        flat(OpRow(Op.IF, next=1), END, insns=((Insn.LOAD, 0, 1, 4), (Insn.END, 0, 0, 0))),
    ),
    "a jump backwards": (Rule.NESTING, flat(SPAN, OpRow(Op.FIXED, expr=0, c=4, next=0), END)),
    "a jump to itself": (Rule.NESTING, flat(OpRow(Op.FIXED, expr=0, c=4, next=0), END)),
    "a marker of three bytes": (Rule.MARKER, flat(OpRow(Op.LIST, flags=3, b=9, c=8, next=1), END)),
    "a node without a header": (Rule.ELEMENTS, flat(OpRow(Op.LIST, flags=1, b=9, c=4, next=1), END)),
    "a slot behind the record": (Rule.PLACE, flat(OpRow(Op.LIST, flags=1, rec=9, b=9, c=8, next=1), END)),
    "subsections outside of the table": (Rule.SUBSECTIONS, flat(OpRow(Op.SUBSECTIONS, a=0, b=1), END)),
    "names outside of the table": (Rule.SUBSECTIONS, flat(OpRow(Op.SUBSECTIONS, expr=1), END)),
    "a jump out of the table": (Rule.NESTING, flat(OpRow(Op.IF, next=3), END)),
    "a jump into a body": (
        Rule.NESTING,
        flat(OpRow(Op.IF, next=3), OpRow(Op.FIXED, expr=1, c=4, next=4), SPAN, SPAN, END),
    ),
    "an end inside of a condition": (Rule.NESTING, flat(OpRow(Op.IF, next=3), SPAN, END)),
    "an end inside of a body": (Rule.NESTING, flat(OpRow(Op.FIXED, expr=1, c=4, next=3), SPAN, END)),
    "more conditions in one another than nest": (
        Rule.NESTING,
        flat(*(OpRow(Op.IF, next=NESTING + 2) for _ in range(NESTING + 1)), SPAN, END),
    ),
    "a load behind the record": (Rule.LOAD, condition((Insn.LOAD, 13, 0, 4))),
    "a load of an unknown flag": (Rule.LOAD, condition((Insn.LOAD, 0, 0, 0x204))),
    "more operands than the stack holds": (
        Rule.EXPRESSION,
        condition(*((Insn.CONST, 0, 0, 0),) * (STACK + 1), *((Insn.ADD, 0, 0, 0),) * STACK),
    ),
    "elements behind the record": (Rule.PLACE, flat(OpRow(Op.FIXED, expr=5, c=4, next=2), SPAN, END)),
    "a field behind its element": (Rule.PLACE, flat(OpRow(Op.FIXED, expr=4, c=3, next=2), SPAN, END)),
    "elements of nothing, without end": (Rule.ELEMENTS, flat(OpRow(Op.FIXED, expr=EMPTY_ELEMENTS + 1, next=1), END)),
    "elements of nothing, in one another": (
        Rule.ELEMENTS,
        flat(OpRow(Op.FIXED, expr=300, next=2), OpRow(Op.FIXED, expr=300, next=2), END),
    ),
    "a body for two subsections": (
        Rule.SHARED,
        flat(OpRow(Op.SUBSECTIONS, b=2), END, END, subs=((0, 0, 2, 12, 1, 1),) * 2),
    ),
    "a body in front of its parent": (
        Rule.SUBSECTIONS,
        flat(SPAN, OpRow(Op.SUBSECTIONS, rec=8, b=1), END, subs=((0, 0, 0, 12, 1, 1),)),
    ),
    "a body that is none": (Rule.SUBSECTIONS, flat(OpRow(Op.SUBSECTIONS, b=1), END, subs=((0, 0, 2, 12, 1, 1),))),
    "a subsection without a header": (
        Rule.SUBSECTIONS,
        flat(OpRow(Op.SUBSECTIONS, b=1), END, END, subs=((0, 0, 2, 11, 1, 1),)),
    ),
    "a field behind its subsection": (
        Rule.PLACE,
        flat(
            OpRow(Op.SUBSECTIONS, b=1), END, OpRow(Op.SPAN, rec=12, expr=1, b=1, c=4), END, subs=((0, 0, 2, 15, 1, 1),)
        ),
    ),
    "a number that fits no word": (Rule.WORDS, flat(END, record_bytes=1 << 32)),
}


def random_flat(rng: random.Random) -> Flat:
    def word() -> int:
        return rng.choice((0, 0, 1, 1, 2, 3, 4, 8, 12, 16, rng.randrange(64), rng.randrange(1 << 32), 0xFFFFFFFF))

    runs = tuple(
        (rng.choice((1, 2, 4, 8, 0x11, 0x12, 0x14, 0x18, 3, 0)), rng.randrange(4)) for _ in range(rng.randrange(1, 4))
    )
    ops = []
    for place in range(rng.randrange(1, 8)):
        kind = rng.choice((*Op, 9, 77))
        op = OpRow(
            kind, word(), rng.choice((0, 4, 8, word())), word(), word(), word(), word(), place + rng.randrange(4)
        )
        if kind in (Op.SPAN, Op.VSPAN) and rng.random() < 0.8:
            first = rng.randrange(len(runs))
            number = rng.randrange(len(runs) - first + 1)
            filled = sum((run & ~0x10) * count for run, count in runs[first : first + number])
            op = OpRow(kind, rng.randrange(5), op.rec, rng.randrange(4), first, number, filled)
        elif rng.random() < 0.8:
            flags, c = rng.choice((1, 4)), rng.choice((8, 12, 16))
            op = OpRow(
                kind,
                flags,
                op.rec,
                rng.randrange(4),
                rng.randrange(3),
                rng.randrange(5),
                c,
                place + rng.randrange(1, 4),
            )
        ops.append(op)
    insns = tuple(
        (rng.choice((*Insn, 99)), rng.randrange(20), rng.randrange(3), rng.choice((1, 2, 4, 8, 0x101, 0x108, 3)))
        for _ in range(9)
    )
    insns += ((Insn.CONST, 0, 0, 0), (Insn.END, 0, 0, 0))
    names = b"v/one/two"
    subs = tuple(
        (rng.randrange(8), rng.randrange(8), rng.randrange(10), rng.choice((8, 12, 20)), 1, 0) for _ in range(2)
    )
    return Flat(tuple(ops), runs, insns, (0, 1, 3, 1 << 63), subs, names, rng.choice((0, 8, 16, 40)))


_TABLES = ("ops", "runs", "insns", "subs")
_WORDS = ("kind", "flags", "rec", "expr", "a", "b", "c", "next")


def mutants(program: Flat, rng: random.Random, number: int) -> Iterator[Flat]:
    """``number`` copies of ``program``, one or two words of each changed a little or a lot."""
    for _ in range(number):
        made = program
        for _ in range(rng.choice((1, 1, 2))):
            made = _mutant(made, rng)
        yield made


def _mutant(program: Flat, rng: random.Random) -> Flat:
    def other(word: int) -> int:
        return rng.choice((word + 1, max(word - 1, 0), word ^ 1, word * 2 & 0xFFFFFFFF, rng.randrange(20), 0xFFFFFFFF))

    table = rng.choice([name for name in _TABLES if getattr(program, name)])
    rows = list(getattr(program, table))
    place = rng.randrange(len(rows))
    if table == "ops":
        word = rng.choice(_WORDS)
        rows[place] = replace(rows[place], **{word: other(getattr(rows[place], word)) & 0xFFFFFFFF})
    else:
        row = list(rows[place])
        word_number = rng.randrange(len(row))
        row[word_number] = other(row[word_number]) & 0xFFFFFFFF
        rows[place] = tuple(row)
    return replace(program, **{table: tuple(rows), "prepared": {}})
