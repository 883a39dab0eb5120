"""What migrations took, and whether they went well: the report of `vnetmig migrate`, in words and tables.

Knows the order of the parts; each part is a module of its own. Every time is vnetmig's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vnetmig.migration.timeline import NOTE
from vnetmig.report.against_first import against_blocks
from vnetmig.report.blocks import Block, Facts, Note
from vnetmig.report.both_sides import backend_blocks, guest_blocks
from vnetmig.report.downtime import clock_table, downtime_blocks, early_table
from vnetmig.report.frames import frame_blocks
from vnetmig.report.map_costs import MapModel, map_table
from vnetmig.report.measured import Measured
from vnetmig.report.run import Run, Runs


def run_blocks(runs: Runs, *, everything: bool = False, maps: MapModel | None = None) -> Iterator[Block]:
    """Times with the guest stopped, what went early, the comparison, what was done on both sides, the verdicts."""
    measured = Measured.of(runs)
    if measured.modes:
        yield from downtime_blocks(measured, everything=everything)
        early = early_table(measured)
        if early.rows:
            yield early
        clock = clock_table(measured)
        if clock.rows:
            yield clock
        yield from against_blocks(measured)
        if maps is not None:
            yield map_table(maps, measured)
    yield from frame_blocks(measured.runs)
    yield from backend_blocks(measured.runs)
    yield from guest_blocks(measured.runs)
    yield _verdicts(runs)
    yield Note(f"{NOTE}; a load is decoding, the check of the rings, and the backend")


def _verdicts(runs: Runs) -> Facts:
    facts = Facts("")
    for mode, each in runs.items():
        good = sum(1 for run in each if run.good)
        words = "destination holds every device as the source sent it" if good == len(each) else "FAILED"
        facts.pairs.append((mode, f"{words}: {good} of {len(each)} runs"))
        for run in each:
            facts.pairs += [("", line) for line in _complaints(run)]
        facts.pairs += [("rings", line) for line in ring_lines(each)]
    return facts


def _complaints(run: Run) -> Iterator[str]:
    outcome = run.outcome
    yield from map(str, outcome.differences)
    if outcome.error is not None and not outcome.differences:
        yield from outcome.error.split("\n")
        yield f"the machine now belongs to: {outcome.owner}"
    for fault in run.faults():
        yield from fault.split("\n")


def ring_lines(runs: Sequence[Run]) -> list[str]:
    """What the destination's ring checks said, each saying once."""
    checked: dict[str, None] = {}
    said: dict[str, None] = {}
    for run in runs:
        for section in run.outcome.result.sections if run.outcome.result is not None else ():
            if section.rings is not None:
                checked[section.idstr] = None
                said.update((f"{section.idstr}: {line}", None) for line in section.rings)
    if not checked:
        return ["not checked: the stream brings no page of them (--memory FILE)"]
    return list(said) or [f"consistent in every device that has some ({len(checked)})"]


def trace_lines(runs: Runs) -> Iterator[str]:
    """QEMU's trace lines of both sides, run by run; lines of a run are introduced by a comment."""
    longest = max((len(each) for each in runs.values()), default=0)
    for number in range(longest):
        for mode, each in runs.items():
            if number < len(each):
                outcome = each[number].outcome
                for side, lines in (("source", outcome.source_trace), ("destination", outcome.destination_trace)):
                    yield f"# run {number + 1}, {mode}, {side}"
                    yield from lines
