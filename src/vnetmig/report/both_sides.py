"""The guest and the backends of `vnetmig migrate`: what was done on which side, and that nothing was done twice.

Knows runs; what a good one is stands in run.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from vnetmig.backend.ledger import Totals
from vnetmig.report.afterwards import BackendThere
from vnetmig.report.blocks import Block, Table, columns
from vnetmig.report.run import Run


def guest_blocks(runs: Mapping[str, Sequence[Run]]) -> Iterator[Block]:
    """Empty without a guest."""
    table = Table(
        "the guest (steps and packets, means)",
        columns(
            "mode", ">n", ">steps before", ">while migrated", ">after", ">packets in flight at the stop", ">lost",
            ">failures",
        ),
    )  # fmt: skip
    for mode, each in runs.items():
        pairs = [(run.here, run.there.guest) for run in each if run.here is not None and run.there is not None]
        here = [side for side, _ in pairs]
        there = [side for _, side in pairs if side is not None]
        if not here or not there:
            continue
        lost = [side.lost for side in there if side.lost is not None]
        failures = sum(1 for run in each if any(run.faults()))
        table.rows.append(
            (
                mode,
                str(len(there)),
                f"{fmean(side.before for side in here):.0f}",
                f"{fmean(side.meanwhile for side in here):.0f}",
                f"{fmean(side.steps for side in there):.0f}",
                f"{fmean(side.in_flight for side in here):.1f}",
                str(sum(lost)) if lost else "-",
                str(failures),
            )
        )
        if len(lost) < len(there) and not table.notes:
            table.notes.append(
                "lost: without the runs in which the guest reset its device, which drops what is on its way; what it"
                " misses otherwise it says as a failure"
            )
    if table.rows:
        yield table


def backend_blocks(runs: Mapping[str, Sequence[Run]]) -> Iterator[Block]:
    """Empty without backends."""
    kinds = dict.fromkeys(backend.kind for each in runs.values() for backend in _backends(each))
    if not kinds:
        return
    table = Table(
        f"backend work at the destination ({', '.join(kinds)}; means of each backend, times in microseconds)",
        columns(
            "mode", ">n", ">early: items", ">calls", ">time", ">at switchover: items", ">calls", ">time", ">repeated"
        ),
    )
    for mode, each in runs.items():
        backends = list(_backends(each))
        if backends:
            early, late = [b.prepare for b in backends], [b.commit for b in backends]
            table.rows.append(
                (mode, str(len(backends)), *_means(early), *_means(late), str(sum(t.repeated for t in late)))
            )
    table.notes.append("repeated: items whose result was in force already, all runs together")
    yield table


def _backends(runs: Sequence[Run]) -> Iterator[BackendThere]:
    return (backend for run in runs if run.there is not None for backend in run.there.backends)


def _means(totals: Sequence[Totals]) -> Iterator[str]:
    yield f"{fmean(each.items for each in totals):.1f}"
    yield f"{fmean(each.calls for each in totals):.1f}"
    yield f"{fmean(each.nanoseconds for each in totals) / 1e3:.1f}"
