"""Where a relay listens and connects, when it is given open descriptors."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from vnetmig.errors import ChannelError
from vnetmig.qemu.relay.ends import DestinationEnd, SourceEnd


def test_a_socket_that_listens_already(tmp_path: Path) -> None:
    """As a service manager hands it over."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as caller:
        listening.bind(str(tmp_path / "relay"))
        listening.listen()
        end = SourceEnd(f"fd:{listening.detach()}")
        caller.connect(str(tmp_path / "relay"))
        try:
            accepted = asyncio.run(end.accept())
            with accepted:
                caller.send(b"x")
                accepted.setblocking(True)
                assert accepted.recv(1) == b"x"
        finally:
            end.close()


def test_a_file_is_no_end(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file, pytest.raises(ChannelError, match="no socket: nobody could answer"):
        SourceEnd(f"fd:{file.fileno()}")


def test_words_for_a_destination() -> None:
    assert DestinationEnd("tcp:localhost:4444").address == "tcp:localhost:4444"
