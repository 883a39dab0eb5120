"""A connected stream socket as a channel, whatever its family.

Knows socket calls. How a connection comes about is unix.py's and tcp.py's.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress

from vnetmig.channel.interface import ClosingChannel, told

DEFAULT_TIMEOUT = 60.0
"""Seconds without a byte before a peer counts as gone."""


class SocketChannel(ClosingChannel):
    """``timeout``: for each single call; None waits forever."""

    two_way = True

    def __init__(self, connected: socket.socket, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        self._socket = connected
        self._socket.settimeout(timeout)
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            # Small messages answer each other at switchover: waiting to fill a segment would count as downtime.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> SocketChannel:
        return self

    def send(self, data: bytes) -> None:
        with told("Unable to write to socket"):
            rest = memoryview(data)
            while rest:  # not sendall: its timeout is for everything together
                rest = rest[self._socket.send(rest) :]

    def receive(self, limit: int) -> bytes:
        with told("Unable to read from socket"):
            return self._socket.recv(limit)

    def ready(self) -> bool:
        with told("Unable to read from socket"):
            waiting = select.poll()
            waiting.register(self._socket, select.POLLIN)
            return bool(waiting.poll(0))

    def finish(self) -> None:
        # A peer that is gone already needs no end.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    def detach(self) -> socket.socket:
        """The socket, which does not block, for whoever waits for many of them at once; this object has none then."""
        plain = socket.socket(fileno=self._socket.detach())
        plain.setblocking(False)
        return plain


class Listener(ClosingChannel):
    """A listening socket. ``address``: where a peer connects to, with the port that was chosen."""

    def __init__(self, listening: socket.socket, address: str, remove: str | None = None) -> None:
        self._socket = listening
        self.address = address
        self._remove = remove

    def __enter__(self) -> Listener:
        return self

    def accept(self, timeout: float | None = DEFAULT_TIMEOUT) -> SocketChannel:
        """The next connection."""
        self._socket.settimeout(timeout)
        with told(f"Failed to accept on '{self.address}'"):
            connected, _ = self._socket.accept()
        return SocketChannel(connected, timeout)

    def many(self, backlog: int) -> socket.socket:
        """The socket, still this object's, for whoever waits for connections in a loop of his own."""
        self._socket.listen(backlog)
        self._socket.setblocking(False)
        return self._socket

    def close(self) -> None:
        self._socket.close()
        if self._remove is not None:
            with suppress(OSError):
                os.unlink(self._remove)
            self._remove = None


def connected(family: int, target: object, name: str, timeout: float | None = DEFAULT_TIMEOUT) -> SocketChannel:
    """A connection to ``target``, an address of the family."""
    with told(f"Failed to connect to '{name}'"):
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(timeout)
            plain.connect(target)  # type: ignore[arg-type]
        except BaseException:
            plain.close()
            raise
    return SocketChannel(plain, timeout)
