"""The op codes themselves: programs that no compiler makes are refused alike, and never crash an engine."""

from __future__ import annotations

import random

import pytest
from agreement import both_engines
from real_streams import COMPLETE

from vnetmig.engine import engines, get
from vnetmig.engine.code import SIGNED, Code, Flat, Insn, Op, OpRow, Result

END = OpRow(Op.END)
CONST_3 = ((Insn.CONST, 0, 0, 0), (Insn.END, 0, 0, 0))


def flat(*ops: OpRow, runs: tuple[tuple[int, int], ...] = ((1, 4),), record_bytes: int = 16, **tables: object) -> Flat:
    given = {"insns": CONST_3, "consts": (3,), "subs": (), "names": b"", **tables}
    return Flat(ops, runs, record_bytes=record_bytes, **given)  # type: ignore[arg-type]


def load(program: Flat, data: bytes, engine: str, room: int = 256) -> tuple[Result, bytes]:
    record = bytearray(b"\xa5" * room)
    result = get(engine).load(program, data, record)
    return result, bytes(record[: result.used])


SPAN = OpRow(Op.SPAN, expr=1, a=0, b=1, c=4)

WRONG: dict[str, Flat] = {
    "an op that is none": flat(OpRow(99), END),
    "runs outside of the table": flat(OpRow(Op.SPAN, expr=1, a=0, b=2, c=4), END),
    "runs that do not fill the pass": flat(OpRow(Op.SPAN, expr=1, a=0, b=1, c=5), END),
    "a width that is none": flat(OpRow(Op.SPAN, expr=1, a=0, b=1, c=3), END, runs=((3, 1),)),
    "a span behind the record": flat(OpRow(Op.SPAN, rec=13, expr=1, a=0, b=1, c=4), END),
    "an expression outside of the table": flat(OpRow(Op.IF, expr=2, next=1), END),
    "an expression without end": flat(OpRow(Op.IF, expr=0, next=1), END, insns=((Insn.CONST, 0, 0, 0),)),
    "a constant that is none": flat(OpRow(Op.IF, next=1), END, insns=((Insn.CONST, 1, 0, 0), (Insn.END, 0, 0, 0))),
    "an operator without operands": flat(OpRow(Op.IF, next=1), END, insns=((Insn.ADD, 0, 0, 0), (Insn.END, 0, 0, 0))),
    "two values left": flat(OpRow(Op.IF, next=1), END, insns=((Insn.CONST, 0, 0, 0), *CONST_3)),
    "an instruction that is none": flat(OpRow(Op.IF, next=1), END, insns=((77, 0, 0, 0), (Insn.END, 0, 0, 0))),
    "a width of no integer": flat(OpRow(Op.IF, next=1), END, insns=((Insn.LOAD, 0, 0, 3), (Insn.END, 0, 0, 0))),
    "a frame that is not open": flat(OpRow(Op.IF, next=1), END, insns=((Insn.LOAD, 0, 1, 4), (Insn.END, 0, 0, 0))),
    "a jump backwards": flat(SPAN, OpRow(Op.FIXED, expr=0, c=4, next=0), END),
    "a jump to itself": flat(OpRow(Op.FIXED, expr=0, c=4, next=0), END),
    "a marker of three bytes": flat(OpRow(Op.LIST, flags=3, b=9, c=8, next=1), END),
    "a node without a header": flat(OpRow(Op.LIST, flags=1, b=9, c=4, next=1), END),
    "a slot behind the record": flat(OpRow(Op.LIST, flags=1, rec=9, b=9, c=8, next=1), END),
    "subsections outside of the table": flat(OpRow(Op.SUBSECTIONS, a=0, b=1), END),
    "names outside of the table": flat(OpRow(Op.SUBSECTIONS, expr=1), END),
}


@pytest.mark.parametrize("program", WRONG.values(), ids=WRONG.keys())
def test_what_no_compiler_makes_is_refused(program: Flat, engine: str) -> None:
    result, _ = load(program, b"\x01" * 64, engine)
    assert result.code == Code.BAD_PROGRAM
    assert all(load(program, b"\x01" * 64, other) == load(program, b"\x01" * 64, engine) for other in engines())


def test_a_load_outside_of_the_record_is_a_bad_record(engine: str) -> None:
    program = flat(OpRow(Op.IF, next=1), END, insns=((Insn.LOAD, 13, 0, 4), (Insn.END, 0, 0, 0)))
    assert load(program, b"", engine)[0].code == Code.BAD_RECORD


@pytest.mark.parametrize(("width", "value"), [(1, 0xFE), (2, 0xFFFE), (4, 0xFFFFFFFE), (8, 0xFFFFFFFFFFFFFFFE)])
def test_signed_loads_extend_the_sign(width: int, value: int, engine: str) -> None:
    insns = ((Insn.LOAD, 0, 0, width | SIGNED), (Insn.END, 0, 0, 0), (Insn.CONST, 0, 0, 0), (Insn.END, 0, 0, 0))
    program = flat(
        OpRow(Op.SPAN, expr=1, a=0, b=1, c=width),
        OpRow(Op.CHECK, expr=0, a=2),
        END,
        runs=((width, 1),),
        insns=insns,
        consts=((1 << 64) - 2,),
    )
    assert load(program, value.to_bytes(width, "big"), engine)[0].code == Code.OK


def test_an_empty_program_reads_nothing(engine: str) -> None:
    for program in (flat(END), flat(record_bytes=0)):
        result, record = load(program, b"abc", engine)
        assert (result.code, result.position, result.used) == (Code.OK, 0, program.record_bytes)
        assert record == bytes(program.record_bytes)


def test_no_room_says_how_much_is_needed_at_least(engine: str) -> None:
    program = flat(OpRow(Op.VSPAN, flags=9, expr=0, a=0, b=1, c=4), END)
    result, _ = load(program, bytes(12), engine, room=15)
    assert (result.code, result.expected, result.got) == (Code.NO_ROOM, 16, 15)
    result, _ = load(program, bytes(12), engine, room=27)
    assert (result.code, result.expected, result.got) == (Code.NO_ROOM, 28, 27)
    assert load(program, bytes(12), engine, room=28)[0].code == Code.OK


def test_memoryviews_and_bytearrays_are_read_like_bytes(engine: str) -> None:
    program = flat(SPAN, END)
    data = b"\x01\x02\x03\x04\x05"
    answers = []
    for given in (data, bytearray(data), memoryview(data), memoryview(b"xx" + data)[2:]):
        record = bytearray(64)
        answers.append((get(engine).load(program, given, record), bytes(record)))
    assert answers == [answers[0]] * 4


# Random programs: what they mean does not matter, only that both engines make the same of them.


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


@both_engines
def test_engines_agree_on_programs_of_random_words() -> None:
    rng = random.Random(11)
    codes = set()
    for _ in range(60_000 if COMPLETE else 6_000):
        program = random_flat(rng)
        if any(op.kind == Op.FIXED and op.expr > 1000 for op in program.ops):
            continue  # a constant count has no limit: the compiler's word is taken for it
        data = bytes(rng.choice((0, 0, 1, 2, 5, 3, rng.randrange(256))) for _ in range(rng.randrange(40)))
        room = rng.choice((4, 24, 200, 200))
        answers = [load(program, data, name, room) for name in engines()]
        assert answers[0][0] == answers[1][0], program
        assert answers[0][1] == answers[1][1], program
        codes.add(answers[0][0].code)
        record = bytes(rng.choice((0, 0, 1, 2, 8, 16, rng.randrange(256))) for _ in range(rng.randrange(120)))
        saved = [get(name).save(program, record) for name in engines()]
        assert saved[0] == saved[1], program
        codes.add(saved[0][0].code)
    assert {Code.OK, Code.TRUNCATED, Code.BAD_PROGRAM, Code.BAD_RECORD, Code.NO_ROOM, Code.COUNT_MISMATCH} <= codes
