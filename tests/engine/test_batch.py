"""Batches: every call of one answers what the plain call does, whatever stands beside it, on both engines."""

from __future__ import annotations

import random
from itertools import accumulate, pairwise

import pytest
from agreement import FILL
from real_streams import committed, document

from vnetmig.engine import get
from vnetmig.engine.code import Code, Flat
from vnetmig.vmstate import UINT32, Field, Program, Vmsd

FOUR = Program(Vmsd("four", 1, (Field("value", UINT32),))).flat


def damaged(payload: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(3)
    if kind == 0:
        return payload[: rng.randrange(len(payload) + 1)]
    changed = bytearray(payload)
    for at in rng.choices(range(len(payload)), k=kind - 1 if payload else 0):
        changed[at] = rng.choice((0, 1, 0x7F, 0xFF))
    return bytes(changed)


def filled(size: int) -> bytearray:
    return bytearray(bytes((FILL,)) * size)


@pytest.mark.parametrize("seed", range(3))
def test_every_call_of_a_batch_is_the_plain_call(engine: str, seed: int) -> None:
    """On every device of a machine, its payload whole, cut, or with some bytes of chance."""
    run, rng = get(engine), random.Random(seed)
    found = [section.record for section in document(committed("linux-tap-4q-rss-q100"), engine).sections]
    pairs = [(record.program.flat, record.save(engine)) for record in found if record is not None] * 3
    inputs = [damaged(payload, rng) for _, payload in pairs]
    flats = [flat for flat, _ in pairs]
    rooms = [flat.record_bytes + rng.choice((0, 64, 1 << 16)) for flat in flats]
    plain = [filled(room) for room in rooms]
    wanted = [run.load(*call) for call in zip(flats, inputs, plain, strict=True)]
    records = [filled(room) for room in rooms]
    batch = run.bind_load_batch(flats, inputs, records)
    for _ in range(2):
        assert batch.run() == sum(result.code != 0 for result in wanted)
        assert [batch.result(number) for number in range(len(flats))] == wanted
        assert batch.sizes() == [result.used for result in wanted] and records == plain

    held = [
        record[: max(result.used, flat.record_bytes)] for flat, record, result in zip(flats, plain, wanted, strict=True)
    ]
    places = list(accumulate((rng.choice((0, 5, 1 << 16)) for _ in held), initial=rng.choice((0, 9))))
    output = filled(places[-1] + 7)
    saving = run.bind_save_batch(flats, held, output, places)
    failed = saving.run()
    before = bytes(output)
    alone = []
    for flat, record, (begin, end) in zip(flats, held, pairwise(places), strict=True):
        room = filled(end - begin)
        alone.append(run.save_into(flat, record, room))
        if not alone[-1].code:
            assert before[begin:end] == room
    assert [saving.result(number) for number in range(len(flats))] == alone
    assert {result.code for result in alone} >= {Code.OK, Code.NO_ROOM} < {result.code for result in wanted}
    assert failed == sum(result.code != 0 for result in alone) and saving.sizes() == [found.used for found in alone]
    assert set(before[: places[0]] + before[places[-1] :]) <= {FILL}


def test_nothing_to_do(engine: str) -> None:
    for batch in (get(engine).bind_load_batch([], [], []), get(engine).bind_save_batch([], [], bytearray(), [0])):
        assert batch.run() == 0 and batch.sizes() == []


def test_one_that_fails_in_the_middle(engine: str) -> None:
    inputs, records = [b"\0\0\0\1", b"\0\0", b"\0\0\0\3"], [bytearray(4) for _ in range(3)]
    loading = get(engine).bind_load_batch([FOUR] * 3, inputs, records)
    assert loading.run() == 1
    assert [loading.result(number).code for number in range(3)] == [Code.OK, Code.TRUNCATED, Code.OK]
    output = bytearray(12)
    saving = get(engine).bind_save_batch([FOUR] * 3, records, output, [0, 4, 7, 11])
    assert saving.run() == 1
    assert (saving.result(1).code, saving.result(1).expected, saving.result(1).got) == (Code.NO_ROOM, 4, 3)
    assert output[:4] + output[7:] == b"\0\0\0\1" + b"\0\0\0\3" + b"\0"


def test_what_was_saved_is_loaded_by_the_next_batch(engine: str) -> None:
    record, output = bytearray(b"abcd"), bytearray(4)
    saving = get(engine).bind_save_batch([FOUR], [record], output, [0, 4])
    loading = get(engine).bind_load_batch([FOUR, FOUR], [output, output], [first := bytearray(4), first])
    for state in (b"abcd", b"efgh"):
        record[:] = state
        assert saving.run() == loading.run() == 0 and first == state


@pytest.mark.parametrize("places", [[0, 4, 3], [-1, 3, 6], [0, 4, 9], []])
def test_rooms_outside_of_the_output(engine: str, places: list[int]) -> None:
    with pytest.raises(ValueError, match="no rooms side by side in 8 bytes"):
        get(engine).bind_save_batch([FOUR, FOUR], [bytearray(4)] * 2, bytearray(8), places)


def test_not_as_many_of_one_as_of_the_other(engine: str) -> None:
    flats: list[Flat] = [FOUR, FOUR]
    with pytest.raises(ValueError, match="zip"):
        get(engine).bind_save_batch(flats, [bytearray(4)], bytearray(8), [0, 4, 8])
    with pytest.raises(ValueError, match="zip"):
        get(engine).bind_load_batch(flats, [b"", b""], [bytearray(4)])
