"""The verifier: the same verdict on both engines, every fault by its rule, and what passes runs within its bounds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agreement import both_engines
from odd_programs import EVERYTHING, WRONG, load, mutants, random_flat, verdict
from real_streams import COMPLETE, every_capture, sample, samples

from vnetmig.engine import engines, get
from vnetmig.engine.code import Code, Flat, Op, OpRow, Rule
from vnetmig.engine.verify import verify
from vnetmig.errors import ProgramError
from vnetmig.vmstate import UINT8, Field, List, Program, Ref, Struct, Vmsd


def reset(program: Flat) -> Flat:
    """The same program, prepared by no engine."""
    return replace(program, prepared={})


@pytest.mark.parametrize(("rule", "program"), WRONG.values(), ids=WRONG.keys())
def test_each_fault_is_told_by_its_rule(rule: Rule, program: Flat, engine: str) -> None:
    found = verdict(program, engine)
    assert found is not None
    assert found[1] == rule.name.lower()


def test_a_refusal_names_the_op_and_says_why(engine: str) -> None:
    program = Flat((OpRow(Op.SPAN), OpRow(99), OpRow(Op.END)), (), (), (), (), b"", 0)
    with pytest.raises(ProgramError, match=r"refused at op 1 \(kind\): there is no such op"):
        get(engine).load(program, b"", bytearray(8))


def test_every_rule_has_a_program_that_breaks_it() -> None:
    assert {rule for rule, _ in WRONG.values()} == set(Rule)


@every_capture
def test_what_descriptions_and_vmdescs_compile_to_passes(folder: Path) -> None:
    seen = {id(found.program): found for found in samples(folder)}
    assert seen
    for name, program, _ in seen.values():
        assert verify(program.flat) is None, name


def invented() -> Iterator[tuple[str, Flat]]:
    rng = random.Random(5)
    for _ in range(40_000 if COMPLETE else 3_000):
        yield "random words", random_flat(rng)
    for origin, program, number in (
        ("everything", Program(EVERYTHING).flat, 40_000 if COMPLETE else 4_000),
        ("virtio-net", sample("linux-user-1q-ping-q52", "virtio-net").program.flat, 200),
    ):
        for made in mutants(program, rng, number):
            yield origin, made


def agreed(program: Flat, data: bytes, room: int) -> tuple[Code, Code]:
    """What a load of ``data`` and a save of the same bytes as a record come to, on every engine."""
    loaded = [load(program, data, name, room) for name in engines()]
    saved = [get(name).save(program, data * 3) for name in engines()]
    assert loaded == [loaded[0]] * len(loaded), program
    assert saved == [saved[0]] * len(saved), program
    return Code(loaded[0][0].code), Code(saved[0][0].code)


@both_engines
def test_engines_agree_on_any_program_and_what_passes_is_one() -> None:
    rng = random.Random(6)
    told: Counter[str] = Counter()
    codes: Counter[Code] = Counter()
    for origin, program in invented():
        verdicts = [verdict(reset(program), name) for name in engines()]
        assert verdicts == [verdicts[0]] * len(verdicts), program
        told[verdicts[0][1] if verdicts[0] else origin] += 1
        if verdicts[0] is None and program.record_bytes < 1 << 20:
            data = bytes(rng.choice((0, 0, 1, 2, 5, 3, rng.randrange(256))) for _ in range(rng.randrange(60)))
            on_load, on_save = agreed(program, data, program.record_bytes + rng.choice((0, 24, 500)))
            assert on_load not in (Code.BAD_PROGRAM, Code.BAD_RECORD), program
            assert on_save != Code.BAD_PROGRAM, program
            codes.update((on_load, on_save))
    for word in ("random words", "everything", "virtio-net", "kind", "runs", "place", "expression", "load", "nesting"):
        assert told[word] >= 10, told
    assert {Code.OK, Code.TRUNCATED, Code.LIMIT, Code.NO_ROOM, Code.BAD_RECORD, Code.COUNT_MISMATCH} <= set(codes), (
        codes
    )


# What the rules are for: work that the record and the input bound.

CHAIN = Vmsd("v", 1, (List("outer", Vmsd("o", 1, (List("inner", Vmsd("i", 1, (Field("x", UINT8),))),))),))


def test_a_chain_that_bites_its_tail_is_no_record(engine: str) -> None:
    program = Program(CHAIN)
    record = program.load(bytes.fromhex("01 01aa 01bb 00 01 01cc 00 00")).record
    assert program.save(record, engine) == bytes.fromhex("01 01aa 01bb 00 01 01cc 00 00")
    data = bytearray(record.data)
    first = int.from_bytes(data[:4], "little" if data[0] else "big")
    data[4:8] = (0xFFFF).to_bytes(4, "little" if data[4] else "big")  # so many nodes...
    data[first : first + 4] = data[:4]  # ...all of them the first
    result, _ = get(engine).save(program.flat, data)
    assert (result.code, result.op) == (Code.BAD_RECORD, 1)


def test_elements_that_two_slots_share_are_no_record(engine: str) -> None:
    body = Vmsd("e", 1, (Field("n", UINT8), Field("x", UINT8, Ref("n"))))
    program = Program(Vmsd("v", 1, (Field("k", UINT8), Struct("e", body, Ref("k")))))
    wire = bytes.fromhex("02 03010203 03040506")
    record = program.load(wire).record
    assert program.save(record, engine) == wire
    data = bytearray(record.data)
    base = program.flat.record_bytes
    data[base + 10 : base + 14] = data[base + 1 : base + 5]  # the second element's bytes are the first one's
    assert get(engine).save(program.flat, data)[0].code == Code.OK  # all in all no more than there is
    data[base + 1 : base + 5] = base.to_bytes(4, "little" if data[base + 1] else "big")
    assert get(engine).save(program.flat, data[: base + 18])[0].code == Code.BAD_RECORD
