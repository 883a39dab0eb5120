"""Many threads and one program: every call gives what it gives alone, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module

import pytest
from many_threads import SECONDS, at_once
from real_streams import sample

from vnetmig.engine import engines, get
from vnetmig.engine.code import Code, Flat
from vnetmig.engine.rings import RingQueue
from vnetmig.vmstate import UINT8, UINT16, UINT32, Field, Program, Ref, SaveBatch, Vmsd

THREADS = 6
SECTION = sample("linux-tap-4q-load-q72", "virtio-net")
OTHER = sample("linux-tap-4q-packed-q111", "virtio-net")
PAGES = (bytes.fromhex("0000000000001022 00") + bytes.fromhex("0000000000002028") + bytes(4096)) * 20


def fresh(program: Program) -> Program:
    """The same program, which no engine has seen."""
    return Program(program.vmsd, program.params, program.version)


def test_of_two_preparations_the_first_stays(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """C memory of a program that another replaced would go while a call uses it."""
    where, what = {"c": ("native", "_Program"), "python": ("python_interp", "_Prepared")}[engine]
    module = import_module(f"vnetmig.engine.{where}")
    prepare, together = getattr(module, what), threading.Barrier(2)

    def both_made(flat: Flat) -> object:
        made = prepare(flat)
        together.wait(SECONDS)
        return made

    monkeypatch.setattr(module, what, both_made)
    flat = fresh(SECTION.program).flat
    first, second = at_once([lambda: module._prepared(flat)] * 2)
    assert first is second is flat.prepared[engine]


def test_states_of_many_sizes(engine: str) -> None:
    """Where the output must grow, threads do not take from each other what they need."""
    program = Program(Vmsd("sized", 1, (Field("n", UINT32), Field("values", UINT16, Ref("n")), Field("end", UINT8))))
    sizes = [1, 3_000, 5_000, 20_000, 40_000, 60_000]
    payloads = [size.to_bytes(4, "big") + bytes(i % 251 for i in range(2 * size + 1)) for size in sizes]
    for _ in range(6):
        shared = fresh(program)

        def there_and_back(payload: bytes, shared: Program = shared) -> bool:
            record = shared.load(payload, engine=engine).record
            return all(shared._save(record, engine, False) == payload for _ in range(3))

        assert all(at_once([lambda payload=payload: there_and_back(payload) for payload in payloads]))


@pytest.mark.skipif("c" not in engines(), reason="the Python engine has no memory of its own for outputs")
def test_room_is_made_for_this_call() -> None:
    """Whatever another thread has found to be enough since."""
    native = import_module("vnetmig.engine.native")

    class Forgetful(native._Program):  # type: ignore[misc, name-defined]
        output_bytes = property(lambda self: 64, lambda self, size: None)

    program = Program(Vmsd("wide", 1, (Field("values", UINT16, 4_000),)))
    native._prepared(program.flat).__class__ = Forgetful
    assert program.save(program.new_record(), "c") == bytes(8_000)


def calls(engine: str, program: Program) -> list[Callable[[], object]]:
    """One of every call of an engine, with memory of its own; each returns all that it found."""
    run, flat = get(engine), program.flat
    payload, other = SECTION.payload, OTHER.payload
    record = program.load(payload, engine=engine).record
    delta = run.make_delta(payload, other)
    output, target = bytearray(len(payload)), bytearray(len(record.data))
    save, saved, _kept = run.bind_save(flat, record.data, output)
    load, loaded, _also = run.bind_load(flat, payload, target)
    batch = SaveBatch([record.copy() for _ in range(4)], engine)

    def loads() -> object:
        held = bytearray(len(record.data) + 100)
        return run.load(flat, payload, held), bytes(held)

    def saves_into() -> object:
        held = bytearray(len(payload))
        return run.save_into(flat, record.data, held), bytes(held)

    return [
        loads,
        saves_into,
        lambda: run.load(flat, payload[:100], bytearray(len(record.data))),
        lambda: run.save(flat, record.data),
        lambda: run.save(flat, record.data[:-1])[0].code == Code.OK,
        lambda: (save(saved), bytes(output)),
        lambda: (load(loaded), bytes(target)),
        lambda: (batch.run(), list(batch)),
        lambda: run.make_delta(payload, other),
        lambda: run.apply_delta(payload, delta, 1 << 20),
        lambda: run.apply_delta(payload, delta[:-1], 1 << 20),
        lambda: run.scan_ram(PAGES, 0, 1 << 20, 4096, 0xF000),
        lambda: run.rings([RingQueue(num=256, avail=0x1000, used=0x2000, desc=0x3000)] * 3),
    ]


def test_every_call(engine: str) -> None:
    wanted = [call() for call in calls(engine, fresh(SECTION.program))]
    for _ in range(3):
        shared = fresh(SECTION.program)

        def works(first: int, shared: Program = shared) -> list[object]:
            """All calls over and over, no two threads at the same one; what they found at last."""
            mine = calls(engine, shared)
            found: list[object] = [None] * len(mine)
            for turn in range(4 * len(mine)):
                at = (first + turn) % len(mine)
                found[at] = mine[at]()
                assert found[at] == wanted[at], at
            return found

        assert at_once([lambda first=first: works(2 * first) for first in range(THREADS)]) == [wanted] * THREADS
