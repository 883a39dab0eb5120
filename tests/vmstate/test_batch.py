"""Many records in one call, as people use it: payloads, errors of single ones, records that change their shape."""

from __future__ import annotations

import threading

import pytest
from real_streams import committed, document

from vnetmig.document.workload import net4, section
from vnetmig.errors import EncodeError, StreamError
from vnetmig.vmstate import (
    UINT8,
    UINT16,
    UINT32,
    Field,
    LoadBatch,
    Program,
    Record,
    Ref,
    SaveBatch,
    Struct,
    Vmsd,
    save_batch,
)
from vnetmig.vmstate.batch import SPARE_BYTES

MORE = Vmsd("demo/inner", 1, (), (Vmsd(f"demo/inner/{'long' * 50}", 1, (Field("more", UINT32),)),))
PROGRAM = Program(Vmsd("demo", 1, (Field("count", UINT8), Field("values", UINT16, Ref("count")), Struct("", MORE))))


def record_of(*values: int) -> Record:
    record = PROGRAM.new_record()
    record.resize("values", len(values))
    record["values"] = values
    return record


def payload(*values: int) -> bytes:
    return bytes((len(values),)) + b"".join(value.to_bytes(2, "big") for value in values)


def test_records_of_a_whole_machine(engine: str) -> None:
    records = [s.record for s in document(committed("linux-tap-4q-rss-q100"), engine).sections if s.record is not None]
    assert len({id(record.program) for record in records}) > 20
    assert save_batch(records, engine) == [record.save(engine) for record in records]


def test_the_same_record_twice_and_none_at_all(engine: str) -> None:
    record = record_of(1, 2)
    assert save_batch([record, record], engine) == [payload(1, 2)] * 2
    assert save_batch([], engine) == [] and SaveBatch([], engine).run() == LoadBatch([], engine).run() == 0


def test_one_that_cannot_be_saved(engine: str) -> None:
    records = [record_of(1), record_of(2), record_of(3)]
    batch = SaveBatch(iter(records), engine)
    assert batch.run() == 0 and list(batch) == [payload(1), payload(2), payload(3)]
    records[1]["count"] = 9
    assert batch.run() == 1
    with pytest.raises(EncodeError, match="values holds 1 elements, its count field says 9"):
        batch[1]
    first, error, last = batch.answers()
    assert (first, str(error), last) == (
        payload(1),
        "demo: values holds 1 elements, its count field says 9",
        payload(3),
    )
    records[1]["count"] = 1
    assert batch.run() == 0 and batch.answers() == [payload(1), payload(2), payload(3)] == list(batch)
    assert (batch[-1], len(batch)) == (payload(3), 3)
    with pytest.raises(IndexError):
        batch[3]


def test_a_batch_that_never_ran(engine: str) -> None:
    record = record_of(1)
    saving, loading = SaveBatch([record], engine), LoadBatch([(payload(1), record)], engine)
    for use in (lambda: saving[0], saving.answers, lambda: loading[0]):
        with pytest.raises(RuntimeError, match="has not been run"):
            use()


def test_records_that_take_other_memory(engine: str) -> None:
    records = [record_of(1), record_of(), record_of(3)]
    batch = SaveBatch(records, engine)
    assert batch.run() == 0
    records[1].resize("values", 100)
    records[2].add("long" * 50)
    wanted = [record.copy().save(engine) for record in records]
    assert len(wanted[1]) > SPARE_BYTES < len(wanted[2])
    assert batch.run() == 0 and list(batch) == wanted
    records[2].drop("long" * 50)
    records[1]["values[99]"] = 7
    assert batch.run() == 0 and batch.answers() == [record.copy().save(engine) for record in records]


def test_a_subsection_with_a_long_name_finds_room_at_the_first_run(engine: str) -> None:
    record = record_of()
    record.add("long" * 50)
    assert len(record.save(engine)) > len(record.data) + SPARE_BYTES
    assert save_batch([record, record_of(1)], engine) == [record.save(engine), payload(1)]


def test_payloads_that_change_in_place(engine: str) -> None:
    payloads, records = [bytearray(payload(n)) for n in range(4)], [record_of(0) for _ in range(4)]
    batch = LoadBatch(zip(payloads, records, strict=True), engine)
    assert batch.run() == 0 and [record["values"] for record in batch] == [(0,), (1,), (2,), (3,)]
    payloads[2][1:] = b"\1\0"
    assert batch.run() == 0 and records[2]["values"] == (256,) == batch[2]["values"]
    assert (len(batch), batch[-1]) == (4, records[3])


def test_a_record_that_takes_other_memory_is_loaded_into_it(engine: str) -> None:
    record, state = record_of(1), bytearray(payload(1))
    batch = LoadBatch([(state, record)], engine)
    assert batch.run() == 0
    record.resize("values", 2)
    record.resize("values", 1)
    state[2] = 9
    assert batch.run() == 1  # it has a hole now, which a load does not leave
    record.data = record_of(1).data
    assert batch.run() == 0 and record["values"] == (9,)


def test_one_that_cannot_be_loaded(engine: str) -> None:
    payloads, records = [bytearray(payload(n)) for n in range(3)], [record_of(0) for _ in range(3)]
    batch = LoadBatch(zip(payloads, records, strict=True), engine)
    payloads[1][0] = 2
    assert batch.run() == 1 and [records[0]["values"], records[2]["values"]] == [(0,), (2,)]
    with pytest.raises(StreamError) as caught:
        batch[1]
    assert (caught.value.code, caught.value.field) == ("truncated", "values[1]")
    payloads[1][0] = 0
    assert batch.run() == 1
    with pytest.raises(StreamError, match="another size now"):
        batch[1]
    payloads[1][0] = 1
    assert batch.run() == 0 and batch[1]["values"] == (1,)


def test_a_real_section_there_and_back(engine: str) -> None:
    workload = section()
    records = [workload.record.copy() for _ in range(3)]
    for record in records:
        record.data[:] = bytes(len(record.data))
    assert LoadBatch(((workload.wire, record) for record in records), engine).run() == 0
    assert save_batch(records, engine) == [workload.wire] * 3


def test_threads(engine: str) -> None:
    """Batches of different records run at once: the C core runs without the interpreter's lock."""
    records = [net4().record.copy() for _ in range(200)]
    for number, record in enumerate(records):
        record["vq[0].num"] = number
    wanted = [record.save(engine) for record in records]
    batches = [SaveBatch(records[first::4], engine) for first in range(4)]
    wrong: list[int] = []

    def save(number: int) -> None:
        for _ in range(20 if engine == "c" else 2):
            failed = batches[number].run()
            if failed or batches[number].answers() != wanted[number::4]:
                wrong.append(number)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
