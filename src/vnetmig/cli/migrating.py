"""The runs of `vnetmig migrate`: load once, rehearse, then every mode in turn, as often as asked.

Knows documents and machines; one migration is send_migration's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from vnetmig.backend.choose import tap_shortfall
from vnetmig.channel.opening import connect
from vnetmig.cli.modes import announceable
from vnetmig.cli.outgoing import GuestKind, running
from vnetmig.cli.output import note, progress
from vnetmig.cli.rehearsal import rehearse, undisturbed
from vnetmig.cli.source import open_input
from vnetmig.cli.two_processes import destination_process
from vnetmig.document.load import load
from vnetmig.document.sample import sample, sample_memory
from vnetmig.errors import MigrationError
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import Options
from vnetmig.migration.run import send_migration
from vnetmig.report.map_costs import MapModel
from vnetmig.report.run import Run
from vnetmig.stream.guest_memory import load_memory


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. ``asked``: the mode as it was written; ``modes``: those that it means. ``guest`` None: the
    recorded machine as it is. ``map_commit_us``: microseconds of a simulated rebuild, None: no simulation."""

    stream: str | None
    asked: str
    modes: tuple[str, ...]
    runs: int
    channel: str
    options: Options
    guest: GuestKind | None = None
    backend: str = "null"
    seed: int = 1
    memory: str | None = None
    engine: str | None = None
    map_commit_us: float | None = None


@dataclass(slots=True)
class Migrated:
    """Mode -> runs. ``notes``: what is not as asked for, a line each; ``backend``: the kind that there was."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    backend: str = "null"
    maps: MapModel | None = None


def migrate_all(plan: Plan, notes: Sequence[str] = ()) -> Migrated:
    """All runs of ``plan``. The order of the modes turns with every run, so that none always goes first, and the guests
    of one turn have the same seed."""
    machine = _machine(plan)
    modes, left_out = announceable(plan.modes, machine, asked=plan.asked)
    made = Migrated({mode: [] for mode in modes}, [*notes, *left_out], plan.backend)
    if machine.configuration is None:
        plan = replace(plan, options=replace(plan.options, handover=False))
    if plan.backend == "tap" and (missing := tap_shortfall()) is not None:
        made.notes.append(f"{missing}\n  the null backend takes its place")
        made.backend = "null"
    for line in made.notes:
        note(line)
    total = plan.runs * len(modes)
    with (
        tempfile.TemporaryDirectory(prefix="vnetmig-") as folder,
        progress("migrating", least=0) as report,
    ):
        report(0, total)
        rehearse(machine, modes, Path(folder), options=plan.options, guest=plan.guest, engine=plan.engine)
        arguments = _arguments(plan, made.backend, folder, machine)
        for number in range(total):
            turn, place = divmod(number, len(modes))
            mode = modes[(turn + place) % len(modes)]
            made.runs[mode].append(_once(plan, machine, mode, turn, arguments, made))
            report(number + 1, total)
    return made


def _machine(plan: Plan) -> Machine:
    memory = plan.memory
    if plan.stream is None and plan.guest is None:
        memory = memory or sample_memory()
    document = load(sample() if plan.stream is None else open_input(plan.stream), engine=plan.engine)
    machine = Machine.from_events(document.events, plan.engine)
    pages = load_memory(memory, document.machine or "pc")
    return machine if pages is None else machine.with_memory(pages)


def _arguments(plan: Plan, backend: str, folder: str, machine: Machine) -> list[str]:
    """Of the destination."""
    words = ["--rehearsed", folder, "--backend", backend, "--page-size", str(machine.page_size)]
    if plan.guest is not None:
        words += ["--guest", plan.guest.profile]
    return words if plan.engine is None else [*words, "--engine", plan.engine]


def _once(plan: Plan, machine: Machine, mode: str, turn: int, arguments: Sequence[str], made: Migrated) -> Run:
    """One migration. The guest begins when the destination listens: it shall not have grown old by then."""
    with (
        destination_process(plan.channel, arguments) as process,
        nullcontext() if plan.guest is None else running(machine, plan.guest, plan.seed + turn) as here,
    ):
        source = machine if here is None else here.machine
        with undisturbed(), connect(process.address) as connection:
            outcome = send_migration(connection, source, mode, options=plan.options, engine=plan.engine, outgoing=here)
        there, unheard = None, None
        try:
            there = process.afterwards()
        except MigrationError as error:
            unheard = str(error)
        if plan.map_commit_us is not None and made.maps is None:
            made.maps = MapModel.of(plan.map_commit_us, source)
    return Run(outcome, None if here is None else here.here(), there, unheard)
