"""The two ends of a relay as sockets that an event loop can wait for.

Knows addresses. A listening end hands out the source's connections in their order, which is all that an older
destination goes by (qemu: migration.c:migration_ioc_process_incoming).
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import suppress
from typing import Final

from vnetmig.channel.address import Address, FdAddress, FileAddress, TcpAddress, UnixAddress, parse_address
from vnetmig.channel.interface import told
from vnetmig.channel.opening import connect, listen
from vnetmig.channel.socket_channel import Listener, SocketChannel
from vnetmig.errors import ChannelError

BACKLOG: Final = 64
"""More connections at once than multifd makes by default; the others wait for their turn."""


def relayable(address: str | Address) -> Address:
    """``address``, if both directions can go through it."""
    where = parse_address(address) if isinstance(address, str) else address
    if isinstance(where, FileAddress):
        raise ChannelError(f"cannot relay through '{where}'\n  expected unix:PATH, tcp:HOST:PORT or fd:N")
    return where


class SourceEnd:
    """Where the source connects to: listens at once. fd:N is its connection, or a socket that listens already."""

    def __init__(self, address: str | Address) -> None:
        where = relayable(address)
        self.address = str(where)
        self._listener: Listener | None = None
        self._listening: socket.socket | None = None
        self._inherited: socket.socket | None = None
        if isinstance(where, UnixAddress | TcpAddress):
            self._listener = listen(where)
            self._listening = self._listener.many(BACKLOG)
            # with the port that was chosen; a path is said as it was given
            self.address = self._listener.address
        elif isinstance(where, FdAddress):
            inherited = _inherited(where)
            if inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                self._listening = inherited
            else:
                self._inherited = inherited

    async def accept(self) -> socket.socket:
        """The next connection; waits for ever when there can be none."""
        if self._inherited is not None:
            only, self._inherited = self._inherited, None
            return only
        if self._listening is None:
            await asyncio.get_running_loop().create_future()
        assert self._listening is not None
        with told(f"Failed to accept on '{self.address}'"):
            connected, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        return SocketChannel(connected, None).detach()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for one in (self._listening, self._inherited):
            if one is not None:
                one.close()


class DestinationEnd:
    """Where the destination listens: ``connect`` is called for each connection of the source."""

    def __init__(self, address: str | Address) -> None:
        self._where = relayable(address)
        self._used = False

    @property
    def address(self) -> str:
        return str(self._where)

    async def connect(self) -> socket.socket:
        where = self._where
        if isinstance(where, FdAddress):
            if self._used:
                raise ChannelError(
                    f"the source opens more than one channel, and '{where}' is only one\n"
                    "  multifd and postcopy-preempt take unix:PATH or tcp:HOST:PORT"
                )
            self._used = True
            return _inherited(where)
        channel = await asyncio.to_thread(connect, where)
        assert isinstance(channel, SocketChannel)
        return channel.detach()


def finish(one: socket.socket) -> None:
    """Nothing more will be sent to it."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_WR)


async def comes(one: socket.socket, seconds: float) -> bool:
    """Does anything come through it (or its end) within ``seconds``? It is not taken."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[bool] = loop.create_future()

    def tell(it_does: bool) -> None:
        if not found.done():
            found.set_result(it_does)

    loop.add_reader(one, tell, True)
    timer = loop.call_later(seconds, tell, False)
    try:
        return await found
    finally:
        timer.cancel()
        loop.remove_reader(one)


def _inherited(address: FdAddress) -> socket.socket:
    with told(f"Unable to use file descriptor {address.number}"):
        is_socket = stat.S_ISSOCK(os.fstat(address.number).st_mode)
    if not is_socket:
        raise ChannelError(f"'{address}' is no socket: nobody could answer through it")
    with told(f"Unable to use file descriptor {address.number}"):
        inherited = socket.socket(fileno=address.number)
    inherited.setblocking(False)
    return inherited
