"""A guest around a migration that this side gives up, and how a failure is put in a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import stream_bytes

from vnetmig.cli import rehearsal
from vnetmig.cli.outgoing import GuestKind, describe, running
from vnetmig.errors import FieldError
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import Options


def test_a_guest_goes_on_where_the_migration_was_given_up() -> None:
    with running(Machine.from_bytes(stream_bytes("rfc-user-1q")), GuestKind("busy", 1), 1) as here:
        here.stop()
        steps = here.steps
        here.resume()
        assert steps is not None
        here.guest.wait_for(10)
        assert here.guest.steps > steps


def test_what_is_no_error_of_ours_is_named() -> None:
    assert describe(FieldError("no such value")) == "no such value"
    assert describe(ZeroDivisionError("x")) == "ZeroDivisionError: x"


def test_large_recordings_are_not_rehearsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine.from_bytes(stream_bytes("rfc-user-1q"))
    sizes = []
    for most in (1 << 30, -1):
        monkeypatch.setattr(rehearsal, "RECORDED_MAX", most)
        rehearsal.rehearse(machine, ["stock"], tmp_path, options=Options(), guest=None, engine=None)
        sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert sizes[1] < sizes[0]
