"""A record that is saved again and again: what a save keeps for the next one must never be seen."""

from __future__ import annotations

import threading

import pytest

from vnetmig.errors import EncodeError
from vnetmig.vmstate import UINT8, UINT16, UINT32, Field, Program, Record, Ref, Struct, Vmsd
from vnetmig.vmstate.program import BOUND_BYTES

PROGRAM = Program(
    Vmsd(
        "demo",
        1,
        (
            Field("flag", UINT8),
            Field("extra", UINT32, when=Ref("flag") != 0),
            Field("count", UINT32),
            Field("values", UINT16, Ref("count")),
            Struct("", Vmsd("demo/inner", 1, (), (Vmsd("demo/inner/more", 1, (Field("more", UINT32),)),))),
        ),
    )
)


def saved_before(engine: str) -> Record:
    record = PROGRAM.new_record()
    for _ in range(3):
        assert record.save(engine) == bytes(5)
    return record


def fresh(record: Record, engine: str) -> bytes:
    return record.copy().save(engine)


def test_a_changed_value(engine: str) -> None:
    record = saved_before(engine)
    record["count"] = 0
    record["flag"] = 0
    record.data[-1] = 0
    for value in (1, 2, 3):
        record["flag"] = 1
        record["extra"] = value
        assert record.save(engine) == bytes((1, 0, 0, 0, value, 0, 0, 0, 0))


def test_a_changed_size(engine: str) -> None:
    record = saved_before(engine)
    record.resize("values", 3)
    record["values"] = (1, 2, 3)
    for _ in range(3):
        assert record.save(engine) == bytes((0, 0, 0, 0, 3, 0, 1, 0, 2, 0, 3)) == fresh(record, engine)
    record.add("more")
    for _ in range(3):
        assert b"demo/inner/more" in record.save(engine)
    record.drop("more")
    for _ in range(3):
        assert record.save(engine) == bytes((0, 0, 0, 0, 3, 0, 1, 0, 2, 0, 3))


def test_values_that_contradict_each_other(engine: str) -> None:
    record = saved_before(engine)
    record["count"] = 1
    for _ in range(3):
        with pytest.raises(EncodeError, match="holds 0 elements, its count field says 1"):
            record.save(engine)
    record["count"] = 0
    assert record.save(engine) == bytes(5)


def test_another_memory(engine: str) -> None:
    record = saved_before(engine)
    record.data = bytearray(len(record.data))
    record["flag"] = 1
    assert record.save(engine)[0] == 1


def test_another_program(engine: str) -> None:
    record = saved_before(engine)
    other = Program(Vmsd("other", 1, (Field("only", UINT8),)))
    record["flag"] = 7
    assert other.save(record, engine) == b"\x07"


def test_another_engine(engine: str) -> None:
    record = saved_before(engine)
    record["flag"] = 1
    for _ in range(3):
        assert {record.save(), record.save(engine), record.save("python")} == {fresh(record, engine)}


def test_a_copy_shares_nothing(engine: str) -> None:
    record = saved_before(engine)
    copy = record.copy()
    copy["flag"] = 1
    assert record.save(engine) == bytes(5) and copy.save(engine)[0] == 1


def test_threads(engine: str) -> None:
    """The core runs without the interpreter's lock: no two calls may share an output."""
    program = Program(Vmsd("many", 1, (Field("a", UINT8), Field("values", UINT16, 3_000), Field("b", UINT8))))
    record = program.new_record()
    record.data[:] = bytes(i * 7 & 0xFF for i in range(len(record.data)))
    wanted = record.copy().save(engine)
    wrong: list[bytes] = []

    def save() -> None:
        wrong.extend(data for _ in range(2_000) if (data := record.save(engine)) != wanted)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_large_record_binds_no_memory(engine: str) -> None:
    program = Program(Vmsd("large", 1, (Field("values", UINT16, BOUND_BYTES),)))
    record = program.new_record()
    assert all(record.save(engine) == bytes(2 * BOUND_BYTES) for _ in range(3))
    assert record.bound is None


def test_bound_calls(engine: str) -> None:
    program = Program(Vmsd("bound", 1, (Field("a", UINT32), Field("b", UINT16))))
    record, output = program.new_record(), bytearray(6)
    save = program.bind_save(record, output, engine)
    record["a"], record["b"] = 1, 2
    assert save() == 6 and output == bytes((0, 0, 0, 1, 0, 2))
    load = program.bind_load(output, record, engine)
    output[3] = 9
    assert load() == 6 and record["a"] == 9
    assert program.save_into(record, bytearray(10), engine) == 6
    with pytest.raises(ValueError, match="6 bytes do not fit 5"):
        program.save_into(record, bytearray(5), engine)
    assert program.bind_save(record, bytearray(5), engine)() == 0
    assert program.bind_load(b"short", record, engine)() == 0
