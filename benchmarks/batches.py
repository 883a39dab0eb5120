"""A thousand devices: saved or loaded by as many calls, in one, and by two threads with half of them each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from threading import Thread

from vnetmig.document.workload import Workload
from vnetmig.engine import engines, get
from vnetmig.vmstate import LoadBatch, Record, SaveBatch

DEVICES = 1000
AGAIN = 20
"""Runs of a batch in one go, where threads are compared: starting one takes as long as saving some hundred devices."""

CALLS, BOUND_CALLS, BATCH = "calls", "bound calls", "batch"
CANDIDATES = tuple(
    f"{name} {how}"
    for name in engines()
    for how in (BATCH, CALLS, BOUND_CALLS)
    if how != BOUND_CALLS or get(name).CALLS_COST
)
ONE_THREAD, TWO_THREADS = "one thread", "two threads"

Calls = Mapping[str, Callable[[], object]]


def records_of(workload: Workload, devices: int) -> list[Record]:
    """``devices`` copies, each with memory of its own."""
    return [workload.record.copy() for _ in range(devices)]


def batch_of(records: list[Record], wire: bytes, engine: str) -> SaveBatch:
    """A batch that was tried: it gives the bytes."""
    batch = SaveBatch(records, engine)
    if batch.run() or any(payload != wire for payload in batch.answers()):
        raise AssertionError(f"a batch on engine {engine} gives other bytes")
    return batch


def single_calls(records: list[Record], engine: str) -> Callable[[], None]:
    """``Program.save`` of each, its bytes thrown away. All have been saved before, and kept what can be kept."""
    save = records[0].program.save
    for record in records * 2:
        save(record, engine)

    def call() -> None:
        for record in records:
            save(record, engine)

    return call


def bound_calls(records: list[Record], wire: bytes, engine: str) -> Callable[[], None]:
    """``Program.bind_save`` of each, to memory of its own as in a batch."""
    outputs = [bytearray(len(wire)) for _ in records]
    bound = [record.program.bind_save(record, output, engine) for record, output in zip(records, outputs, strict=True)]
    if any(call() != len(wire) for call in bound) or any(output != wire for output in outputs):
        raise AssertionError(f"a bound call on engine {engine} gives other bytes")

    def call() -> None:
        for save in bound:
            save()

    return call


def saves_of(workload: Workload, devices: int) -> Calls:
    """By engine: a call per device, and all of them in one."""
    calls: dict[str, Callable[[], object]] = {}
    for name in engines():
        calls[f"{name} {CALLS}"] = single_calls(records_of(workload, devices), name)
        calls[f"{name} {BATCH}"] = batch_of(records_of(workload, devices), workload.wire, name).run
        if get(name).CALLS_COST:
            calls[f"{name} {BOUND_CALLS}"] = bound_calls(records_of(workload, devices), workload.wire, name)
    return calls


def loads_of(workload: Workload, devices: int) -> Calls:
    """The same for loads: a plain one makes a new record, the others fill one that is there."""
    program, wire = workload.program, workload.wire
    calls: dict[str, Callable[[], object]] = {}
    for name in engines():
        calls[f"{name} {CALLS}"] = partial(_loads, [partial(program.load, wire, engine=name)] * devices)
        batch = LoadBatch([(wire, record) for record in _empty(workload, devices)], name)
        if batch.run() or any(record.data != workload.record.data for record in batch):
            raise AssertionError(f"a batch on engine {name} gives other records")
        calls[f"{name} {BATCH}"] = batch.run
        if get(name).CALLS_COST:
            bound = [program.bind_load(wire, record, name) for record in _empty(workload, devices)]
            calls[f"{name} {BOUND_CALLS}"] = partial(_loads, bound)
    return calls


def _empty(workload: Workload, devices: int) -> list[Record]:
    records = records_of(workload, devices)
    for record in records:
        record.data[:] = bytes(len(record.data))
    return records


def _loads(calls: list[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _again(batch: SaveBatch, number: int) -> None:
    """In a thread that has a processor of its own, where threads can ask for one."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
    for _ in range(AGAIN):
        batch.run()


def threads(workload: Workload, engine: str) -> Calls:
    """``AGAIN`` times all devices: one thread with all of them, two with half of them each."""
    records = records_of(workload, DEVICES)
    whole = batch_of(records, workload.wire, engine)
    halves = [batch_of(part, workload.wire, engine) for part in (records[: DEVICES // 2], records[DEVICES // 2 :])]

    def in_threads(*parts: SaveBatch) -> None:
        started = [Thread(target=_again, args=(part, number)) for number, part in enumerate(parts)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    return {ONE_THREAD: lambda: in_threads(whole), TWO_THREADS: lambda: in_threads(*halves)}
