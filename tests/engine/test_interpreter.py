"""The op codes themselves, in programs made by hand; programs that are none: test_verify.py."""

from __future__ import annotations

import pytest
from odd_programs import END, SPAN, flat, load

from vnetmig.engine import get
from vnetmig.engine.code import SIGNED, Code, Insn, Op, OpRow


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
