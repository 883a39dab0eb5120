"""`vnetmig.experiment`: the arms' turns, until the plan is done.

Knows what is done about a failure. A QEMU that does not start, lacks a capability or the trace events, and a guest that
is not ready, end the experiment: its plan is wrong. A migration that fails, or a guest that dies, is told of and
repeated with a new guest; after ATTEMPTS in a row the experiment ends. What was done before stays, and the same call
goes on from there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vnetmig.errors import MigrationError
from vnetmig.qemu.experiment.arm import Arm
from vnetmig.qemu.experiment.chain import Chain
from vnetmig.qemu.experiment.interruption import held_back
from vnetmig.qemu.experiment.journal import Journal
from vnetmig.qemu.experiment.plan import Plan

ATTEMPTS: Final = 3

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Experiment:
    """``runs`` in order, as they are in `NAME-runs.jsonl`; ``resumed``: how many were there already; ``failures`` of
    this call, each with its run's number and its reason."""

    plan: Plan
    runs: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)


def experiment(plan: Plan, folder: str | os.PathLike[str], progress: Progress = lambda run: None) -> Experiment:
    """Migrate as ``plan`` says, or go on where an earlier call for the same folder ended, however it ended.

    >>> from vnetmig.qemu.experiment.arm import Arm, arm_with
    >>> plan = Plan(Arm(), arm_with(Arm(), ["capability.multifd=on"]), migrations=50)
    >>> experiment(plan, "runs").runs[-1]["downtime_ms"]  # doctest: +SKIP
    7

    ``progress`` is called with each run, those that were there already included. `vnetmig downtime --runs` reads what
    comes out.

    QemuError when a QEMU does not start, MigrationError when a migration fails again and again, FieldError when the
    folder is another plan's. KeyboardInterrupt between two steps, or the end that a SIGTERM brings: no QEMU is left,
    and what was done is kept.
    """
    with (
        held_back() as pause,
        Journal(Path(folder), plan) as journal,
        tempfile.TemporaryDirectory(prefix="vnetmig-") as scratch,
    ):
        found = Experiment(plan, journal.runs, len(journal.runs))
        for run in journal.runs:
            progress(run)
        hardware = list(dict.fromkeys((plan.off.hardware, plan.on.hardware)))
        chains = {
            arm: Chain(plan, arm, journal, Path(scratch), first_side=2 * number, pause=pause)
            for number, arm in enumerate(hardware)
        }
        try:
            for number, on in list(enumerate(plan.order))[len(journal.runs) :]:
                run = {"cfg": plan.name, "k": number, "on": on}
                journal.done(run | _turn(chains, plan, on, number, journal, found))
                progress(journal.runs[-1])
        finally:
            for chain in chains.values():
                chain.end()
    return found


def _turn(
    chains: dict[Arm, Chain], plan: Plan, on: bool, number: int, journal: Journal, found: Experiment
) -> dict[str, Any]:
    arm = plan.arm(on)
    chain = chains[arm.hardware]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            for other in chains.values():
                if other is not chain:
                    other.rest()
            return chain.hop(arm)
        except MigrationError as error:
            failure = {"k": number, "on": on, "attempt": attempt, "reason": str(error)}
            journal.failed(failure)
            found.failures.append(failure)
            for each in chains.values():
                each.end()
            last = error
    raise MigrationError(
        f"run {number} ({'B' if on else 'A'}) failed {ATTEMPTS} times in a row; at last: {last}"
    ) from last
