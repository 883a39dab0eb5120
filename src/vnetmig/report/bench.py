"""The engines against the floor, measured: `vnetmig bench`.

Knows how to measure several calls fairly: in turns, in short slots, medians only, so that what the machine does beside
falls on all alike. Knows no engine by name.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vnetmig.document.workload import WORKLOADS, Workload
from vnetmig.report.blocks import Block, Note, Table, columns
from vnetmig.report.floor import Candidate, floor
from vnetmig.report.json import Json

STATES = ("net4", "section")
"""What is measured: a small made device, and a real section; the large one takes too long for a quick look."""

SLOT_NS = 2_000_000
ROUNDS = 25
BUDGET_NS = 400_000_000
"""Of one call in all rounds: a slow one gets fewer."""

NOTE = "medians of vnetmig's own calls on this machine, saves returning bytes; not times of QEMU"


@dataclass(frozen=True, slots=True)
class Measured:
    """Nanoseconds per call, and in how many slots they were measured."""

    state: str
    size: int
    name: str
    save: float
    load: float
    rounds: int


def measure(engines: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None) -> list[Measured]:
    """Every state on every engine, and the floor."""
    found: list[Measured] = []
    total = len(STATES) * ROUNDS
    for place, name in enumerate(STATES):
        workload = WORKLOADS[name]()
        candidates = [_engine(workload, engine) for engine in engines] + floor(workload.record, workload.wire)
        base = place * ROUNDS
        saves, loads, rounds = _interleaved(candidates, lambda done, base=base: progress(base + done, total))  # type: ignore[misc]
        for number, candidate in enumerate(candidates):
            found.append(Measured(name, len(workload.wire), candidate.name, saves[number], loads[number], rounds))
    return found


def _engine(workload: Workload, engine: str) -> Candidate:
    return Candidate(f"engine {engine}", workload.saver(engine), workload.loader(engine))


def _interleaved(
    candidates: Sequence[Candidate], report: Callable[[int], None]
) -> tuple[list[float], list[float], int]:
    """(save, load, rounds): medians over the rounds, every call once in each."""
    calls = [call for candidate in candidates for call in (candidate.save, candidate.load)]
    repeats = [_repeats(call) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    for number in range(ROUNDS):
        for call, often, kept in zip(calls, repeats, samples, strict=True):
            if number and sum(kept) * often > BUDGET_NS:
                continue
            kept.append(_timed(call, often))
        report(number + 1)
    medians = [statistics.median(kept) for kept in samples]
    return medians[::2], medians[1::2], ROUNDS


def _timed(call: Callable[[], object], often: int) -> float:
    clock = time.perf_counter_ns
    start = clock()
    for _ in range(often):
        call()
    return (clock() - start) / often


def _repeats(call: Callable[[], object]) -> int:
    """How often a call fits a slot."""
    call()
    return max(1, int(SLOT_NS / max(1.0, _timed(call, 3))))


def bench_blocks(found: Sequence[Measured], engine: str) -> Iterator[Block]:
    table = Table(
        "microseconds per call",
        columns("state", ">bytes", "by", ">save", ">load", ">of memcpy", ">of memcpy", ">than loop", ">than loop"),
    )
    for row in found:
        copy, loop = _of(found, row.state, "memcpy"), _of(found, row.state, "table loop")
        table.rows.append(
            (
                row.state,
                str(row.size),
                row.name,
                f"{row.save / 1000:.2f}",
                f"{row.load / 1000:.2f}",
                _ratio(row.save, copy.save),
                _ratio(row.load, copy.load),
                _ratio(loop.save, row.save),
                _ratio(loop.load, row.load),
            )
        )
    table.notes.append("table loop: a naive engine; struct: one Struct, one flat tuple; memcpy: a copy of the bytes")
    table.notes.append("of memcpy: the time over that of a copy (save, load); than loop: so much faster than the loop")
    yield table
    yield Note(NOTE)
    yield Note(engine)


def _of(found: Sequence[Measured], state: str, name: str) -> Measured:
    return next(row for row in found if row.state == state and row.name == name)


def _ratio(value: float, base: float) -> str:
    ratio = value / base
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.3g}x"


def bench_json(found: Sequence[Measured], engine: str) -> dict[str, Json]:
    return {
        "engine": engine.removeprefix("engine: "),
        "note": NOTE,
        "unit": "ns",
        "results": [
            {
                "state": row.state,
                "bytes": row.size,
                "by": row.name,
                "save": row.save,
                "load": row.load,
                "rounds": row.rounds,
            }
            for row in found
        ],
    }
