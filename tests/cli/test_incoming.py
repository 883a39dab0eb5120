"""The destination of `vnetmig migrate` in text, on a connection that is there already."""

from __future__ import annotations

import socket
import threading

import pytest
from between import STREAMS, machine_of, sent_by
from command_line import run

from vnetmig.backend import choose
from vnetmig.migration.source import Source


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
