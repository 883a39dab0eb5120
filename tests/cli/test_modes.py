"""Which modes there are to run, and why not all of them."""

from __future__ import annotations

import click
import pytest
from command_line import stream_bytes

from vnetmig.cli import migrate, migrating, modes
from vnetmig.cli.two_processes import DestinationProcess
from vnetmig.errors import MigrationError
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES
from vnetmig.migration.options import Options
from vnetmig.model.guest import PROFILES
from vnetmig.report.afterwards import Afterwards
from vnetmig.report.run import complete


def test_the_command_line_knows_all_of_them() -> None:
    """They are written out there, so that --help loads nothing."""
    assert tuple(MODES) == migrate.MODES
    assert set(migrate.GUESTS) <= {"none", *PROFILES}


def test_all_are_chosen() -> None:
    assert modes.chosen("all", handover=True) == (tuple(MODES), [])
    assert modes.chosen("early", handover=True) == (("early",), [])


def test_without_the_handover() -> None:
    kept, left_out = modes.chosen("all", handover=False)
    assert kept == ("stock", "iterative", "preheat-all") and len(left_out) == 2
    with pytest.raises(click.UsageError, match="does not go with --no-handover"):
        modes.chosen("iterative-delta", handover=False)


def test_a_machine_that_can_announce_nothing() -> None:
    machine = Machine.from_bytes(stream_bytes())
    assert modes.announceable(tuple(MODES), machine, asked="all") == (tuple(MODES), [])
    machine.configuration = None
    kept, left_out = modes.announceable(tuple(MODES), machine, asked="all")
    assert kept == ("stock",) and len(left_out) == 4
    assert modes.announceable(("early",), machine, asked="early") == (("early",), []), "the source says why"


def test_such_a_machine_migrates_in_stock_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine types up to 2.3. Without the hand-over either: that would have to be announced too."""
    machine = Machine.from_bytes(stream_bytes())
    machine.configuration = None
    machine.recordings = []  # this capture's RAM is x-ignore-shared's, which is announced as well
    monkeypatch.setattr(migrating, "_machine", lambda plan: machine)
    made = migrating.migrate_all(migrating.Plan(None, "all", tuple(MODES), 1, "unix", Options(handover=True)))
    assert complete(made.runs) and list(made.runs) == ["stock"] and len(made.notes) == 4


def test_one_mode_without_the_handover() -> None:
    assert modes.chosen("stock", handover=False) == (("stock",), [])


def test_a_destination_that_says_nothing_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def unheard(process: DestinationProcess) -> Afterwards:
        raise MigrationError("it said no JSON")

    monkeypatch.setattr(DestinationProcess, "afterwards", unheard)
    made = migrating.migrate_all(migrating.Plan(None, "stock", ("stock",), 1, "unix", Options()))
    assert [run.unheard for run in made.runs["stock"]] == ["it said no JSON"]
