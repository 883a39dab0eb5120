"""The phases of the downtime add up to it."""

from __future__ import annotations

from runs import line

from vnetmig.migration.timeline import Phase
from vnetmig.report.stop_to_start import stop_to_start

CHECKPOINTS = (("src-downtime-start", 1000), ("dst-precopy-bh-vm-started", 2000))


def test_phases_of_the_source_and_the_rest() -> None:
    phases = (
        Phase("iterate", 9999),
        Phase("switchover", 100),
        Phase("complete, iterable", 50),
        Phase("complete", 150),
        Phase("ask", 5),
        Phase("verify", 400),
        Phase("start", 10),
        Phase("starting", 500),
    )
    found = stop_to_start(line("stock", phases=phases, checkpoints=CHECKPOINTS))
    assert found == {"stop": 100, "save": 200, "verify": 405, "start": 295}


def test_unknown_without_both_checkpoints() -> None:
    assert stop_to_start(line("stock", checkpoints=CHECKPOINTS[:1])) is None
