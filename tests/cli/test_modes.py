"""Which modes there are to run, and why not all of them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from command_line import run_json, stream_bytes

import vnetmig
from vnetmig.cli import migrate, modes
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES
from vnetmig.model.guest import PROFILES
from vnetmig.stream.events import Command, SectionStart


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


def test_a_stream_without_a_configuration_migrates_in_stock_mode(tmp_path: Path) -> None:
    whole = stream_bytes()
    behind = next(e.offset for e in vnetmig.load(whole).events if isinstance(e, Command | SectionStart))
    old = tmp_path / "old.qemu"
    old.write_bytes(whole[:8] + whole[behind:])
    made = run_json("migrate", old, "--runs", "1")
    assert made["complete"] and list(made["modes"]) == ["stock"] and len(made["notes"]) == 4
