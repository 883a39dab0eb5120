"""The destination of `vnetmig migrate` in text, on a connection that is there already."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from between import STREAMS, machine_of, sent_by
from command_line import run, stream_bytes

from vnetmig.backend import choose
from vnetmig.cli.incoming_machine import Incoming
from vnetmig.cli.outgoing import GuestKind, running
from vnetmig.migration.incoming_machine import GuestMachine
from vnetmig.migration.machine import Machine
from vnetmig.migration.source import Source
from vnetmig.model.concurrent import RunningGuest


def taken(data: bytes, *options: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a destination that gets ``data`` and then the end."""
    here, there = socket.socketpair()
    with here:
        sender = threading.Thread(target=lambda: (here.sendall(data), here.shutdown(socket.SHUT_WR)))
        sender.start()
        result = run("migrate", "--incoming", f"fd:{there.detach()}", *options)
        sender.join()
    return result.exit_code, result.stdout, result.stderr


def test_a_connection_on_which_nothing_comes() -> None:
    code, told, _ = taken(b"")
    assert code == 1 and told.startswith("refused: the source keeps its devices\n")


def test_a_backend_that_there_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "tap_shortfall", lambda *, existing: "no right to make a tap")
    data = sent_by(Source(machine_of(STREAMS / "rfc-user-1q"), "stock"))
    _, told, noted = taken(data, "--backend", "tap")
    assert "0000:00:02.0/virtio-net" in told and "no right to make a tap" in noted


def test_a_guest_that_fails_afterwards_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(guest: RunningGuest, steps: int) -> None:
        raise ZeroDivisionError("packet 7")

    with running(Machine.from_bytes(stream_bytes("rfc-user-1q")), GuestKind("busy", 1), 1) as here:
        monkeypatch.setattr(RunningGuest, "wait_for", broken)
        there = Incoming("null", guest=True)
        assert isinstance(there.machine, GuestMachine)
        there.machine.guest = here.guest
        has_it: Any = SimpleNamespace(owner="destination")
        told = there.go_on(has_it)
    assert told.guest is not None and told.guest.failure == "ZeroDivisionError: packet 7"
