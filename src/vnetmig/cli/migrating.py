"""The runs of `vnetmig migrate`: load once, then every mode in turn, as often as asked.

Knows documents and machines; one migration is two_processes.py's.
"""

from __future__ import annotations

from collections.abc import Sequence

from vnetmig.cli.output import progress
from vnetmig.cli.source import open_input
from vnetmig.cli.two_processes import migrate_once
from vnetmig.cli.warm_up import warm_source
from vnetmig.document.load import load
from vnetmig.document.sample import sample, sample_memory
from vnetmig.migration.machine import Machine
from vnetmig.migration.run import MigrationOutcome
from vnetmig.stream.guest_memory import load_memory


def migrate_all(
    stream: str | None,
    modes: Sequence[str],
    runs: int,
    channel: str,
    *,
    memory: str | None = None,
    engine: str | None = None,
) -> dict[str, list[MigrationOutcome]]:
    """Mode -> outcomes. The order of the modes turns with every run, so that neither always goes first."""
    if stream is None:
        memory = memory or sample_memory()
    document = load(sample() if stream is None else open_input(stream), engine=engine)
    pages = load_memory(memory, document.machine or "pc")
    machine = Machine.from_events(document.events, engine)
    for mode in modes:
        warm_source(machine, mode, engine)
    outcomes: dict[str, list[MigrationOutcome]] = {mode: [] for mode in modes}
    total = runs * len(modes)
    with progress("migrating", least=0) as report:
        report(0, total)
        for number in range(total):
            turn, place = divmod(number, len(modes))
            mode = modes[(turn + place) % len(modes)]
            outcomes[mode].append(migrate_once(machine, mode, channel, memory=pages, engine=engine))
            report(number + 1, total)
    return outcomes
