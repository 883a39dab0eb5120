"""The laboratory itself: a guest's TCP connection survives live migrations, and is seen to end when it does."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest
from lab_network import ADDRESS, ECHO, LabNetwork
from linux_guest import ON_LAB_NETWORK, LinuxGuest, migrate


@pytest.mark.qemu
def test_a_guest_and_its_connection_survive_live_migrations(tmp_path: Path, network: LabNetwork) -> None:
    def guest(*more: str) -> LinuxGuest:
        return LinuxGuest(tmp_path, *more, netdev=network.tap(), options=ON_LAB_NETWORK)

    with contextlib.ExitStack() as ended:
        source = ended.enter_context(guest())
        source.ready()
        source.goes_on("tick", "echo")
        for hop in range(2):
            destination = ended.enter_context(guest("-incoming", "defer"))
            migrate(source, destination, f"unix:{tmp_path}/migration{hop}")
            assert source.do("query-status")["status"] == "postmigrate"
            destination.goes_on("tick", "echo", since=source)
            source = destination
        (connection,) = network.echo.connections
        assert not connection.faults
        assert not connection.ended
        assert connection.lines > 10
        assert [queue["queue-index"] for queue in source.queues()] == [0, 1, 2]


def test_a_line_that_is_lost_and_a_connection_that_ends_are_noticed(network: LabNetwork) -> None:
    with socket.create_connection((ADDRESS, ECHO)) as guest:
        guest.sendall(b"0\n1\n3\n")
        assert guest.recv(100) == b"0\n1\n3\n"
    (connection,) = network.echo.connections
    deadline = time.monotonic() + 10
    while not connection.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert connection.faults == ["line 2 is b'3'"]
    assert connection.received == 6
