"""Programs: what the compiler makes of a description, and what it refuses."""

from __future__ import annotations

import pytest
from agreement import agree

from vnetmig.engine.code import DEPTH, Code, Op
from vnetmig.errors import EncodeError
from vnetmig.virtio.net import SECTION
from vnetmig.vmstate import (
    BUFFER,
    MAC,
    UINT8,
    UINT16,
    UINT32,
    Check,
    Const,
    Field,
    List,
    Optional,
    Param,
    Program,
    Ref,
    Struct,
    Vmsd,
    program,
)
from vnetmig.vmstate.compiler import DescriptionError
from vnetmig.vmstate.description import Item
from vnetmig.vmstate.expression import Expr


def kinds(program: Program) -> list[Op]:
    return [Op(op.kind) for op in program.flat.ops]


def test_fields_side_by_side_become_one_op() -> None:
    program = Program(Vmsd("v", 1, (Field("a", UINT8), Field("b", UINT32), Field("c", MAC), Field("d", BUFFER, 5))))
    assert kinds(program) == [Op.SPAN, Op.END]
    assert program.flat.runs == ((1, 1), (4, 1), (1, 11))


def test_a_thousand_equal_elements_are_one_op() -> None:
    entry = Vmsd("e", 1, (Field("num", UINT16), Field("addr", UINT32, 2)))
    program = Program(Vmsd("v", 1, (Struct("vq", entry, 1024),)))
    assert kinds(program) == [Op.SPAN, Op.END]
    assert program.flat.ops[0].expr == 1024


def test_conditions_that_are_known_leave_no_trace() -> None:
    vmsd = Vmsd("v", 2, (Field("a", UINT8, when=Param("p")), Field("b", UINT8, since=2), Field("c", UINT8, since=3)))
    assert kinds(Program(vmsd, {"p": 0})) == [Op.SPAN, Op.END]
    assert Program(vmsd, {"p": 0}).load(b"\x01").size == 1
    assert Program(vmsd, {"p": 1}).load(b"\x01\x02").size == 2
    assert Program(vmsd, {"p": 1}, version=3).load(b"\x01\x02\x03").size == 3


def test_neighbours_with_one_condition_share_it() -> None:
    there = Ref("flag") != 0
    fields = (Field("flag", UINT8), Field("a", UINT8, when=there), Field("b", UINT16, when=there), Field("c", UINT8))
    assert kinds(Program(Vmsd("v", 1, fields))) == [Op.SPAN, Op.IF, Op.SPAN, Op.SPAN, Op.END]


def test_a_virtio_net_section_is_few_ops() -> None:
    params = {"mmio": 0, "config_size": 256, "vectors": 3, "multiqueue": 1}
    assert len(Program(SECTION, params).flat.ops) < 60


def nested(levels: int) -> Vmsd:
    body = Vmsd("leaf", 1, (Field("n", UINT8), Field("x", UINT8, Ref("n"))))
    for _ in range(levels):
        body = Vmsd("level", 1, (Field("n", UINT8), Struct("in", body, Ref("n"))))
    return body


def test_frames_nest_as_deep_as_they_are_told_to(engine: str) -> None:
    data = b"\x01" * (DEPTH + 2)
    fine = Program(nested(DEPTH)).load(data, engine=engine)
    assert fine.error is None
    deep = Program(nested(DEPTH + 1))
    error = deep.load(data + b"\x01", engine=engine).error
    assert error is not None
    assert error.code == "too_deep"
    assert agree(deep, data + b"\x01").code == Code.TOO_DEEP


@pytest.mark.parametrize(
    "items",
    [
        (Field("a", BUFFER, 1 << 33),),
        (Struct("s", Vmsd("e", 1, (Field("a", BUFFER, 1 << 20),)), 1 << 20),),
        (Struct("s", Vmsd("e", 1, (Field("a", BUFFER, 1 << 33), Field("b", UINT8, Ref("n")))), Ref("n")),),
    ],
    ids=["a buffer", "an array", "elements"],
)
def test_a_description_larger_than_any_device_is_refused_before_memory_is_asked_for(items: tuple[Item, ...]) -> None:
    with pytest.raises(DescriptionError, match="larger than any device"):
        Program(Vmsd("v", 1, (Field("n", UINT8), *items)))


def test_a_record_of_another_program_is_not_saved(engine: str) -> None:
    small = Program(Vmsd("s", 1, (Field("a", UINT8),)))
    large = Program(Vmsd("l", 1, (Field("a", UINT32), Field("b", BUFFER, 9))))
    with pytest.raises(EncodeError, match=r"l: a cannot be saved \(bad_record\)"):
        large.save(small.new_record(), engine=engine)


def test_a_slot_that_points_outside_is_seen(engine: str) -> None:
    vmsd = Vmsd(
        "v",
        1,
        (
            Field("n", UINT8),
            Field("x", UINT8, Ref("n")),
            List("l", Vmsd("e", 1, (Field("e", UINT8),))),
            Optional("o", Vmsd("o", 1, (Field("o", UINT8),)), Ref("n")),
        ),
        (Vmsd("v/s", 1, (Field("s", UINT8),)),),
    )
    program = Program(vmsd)
    good = program.load(b"\x01\x05\x01\x06\x00\x07\x05\x03v/s\0\0\0\x01\x08", engine=engine)
    assert good.error is None
    for at in range(len(good.record.data) - 3):
        for value in (0xFFFFFFFF, len(good.record.data), 0x7FFFFFFF, 0, 1):
            record = good.record.copy()
            record.data[at : at + 4] = value.to_bytes(4, "little")
            try:
                assert len(record.save(engine=engine)) <= 64
            except EncodeError:
                continue


def test_a_state_larger_than_any_device_is_refused(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "RECORD_LIMIT", 1 << 12)
    wide = Program(Vmsd("w", 1, (Field("n", UINT32), Field("b", UINT8, Ref("n")))))
    loaded = wide.load((1 << 15).to_bytes(4, "big") + bytes(1 << 15), engine=engine)
    assert loaded.error is not None and "larger than any device" in str(loaded.error)


def test_a_check_holds_for_what_is_saved_too(engine: str) -> None:
    checked = Program(Vmsd("c", 1, (Field("a", UINT8), Check(Ref("a"), Const(5), "a is {got}, not {expected}"))))
    record = checked.load(b"\5", engine=engine).record
    record["a"] = 6
    with pytest.raises(EncodeError, match="a is 6, not 5"):
        record.save(engine=engine)


def test_an_expression_that_is_none() -> None:
    with pytest.raises(DescriptionError, match="not an expression: "):
        Program(Vmsd("x", 1, (Field("n", UINT8), Field("b", UINT8, when=Expr()))))


def test_subsections_nest_as_deep_as_frames(engine: str) -> None:
    vmsd = Vmsd("s" * (DEPTH + 3), 1, ())
    for length in range(DEPTH + 2, 0, -1):
        vmsd = Vmsd("s" * length, 1, (), (vmsd,))
    data = b"".join(b"\5" + bytes([n]) + b"s" * n + b"\0\0\0\1" for n in range(2, DEPTH + 4))
    loaded = Program(vmsd).load(data, engine=engine)
    assert loaded.error is not None and loaded.size < len(data)
    deepest = sum(n + 6 for n in range(2, DEPTH + 1))
    assert Program(vmsd).load(data[:deepest], engine=engine).error is None
