"""From an address to a channel: which kind opens how.

Knows the table below and nothing more.
"""

from __future__ import annotations

import time

from vnetmig.channel.address import Address, FdAddress, FileAddress, TcpAddress, UnixAddress, parse_address
from vnetmig.channel.file import FileChannel, open_fd, open_file
from vnetmig.channel.socket_channel import DEFAULT_TIMEOUT, Listener, SocketChannel
from vnetmig.channel.tcp import connect_tcp, listen_tcp
from vnetmig.channel.unix import connect_unix, listen_unix
from vnetmig.errors import ChannelError

_PAUSE = 0.02
"""Seconds between two attempts to reach a destination that is just starting."""


def connect(
    address: str | Address, *, timeout: float | None = DEFAULT_TIMEOUT, patience: float = 0.0
) -> SocketChannel | FileChannel:
    """A channel to send through. ``patience``: seconds to keep trying while nobody listens yet."""
    where = parse_address(address) if isinstance(address, str) else address
    until = time.monotonic() + patience
    while True:
        try:
            return _connect(where, timeout)
        except ChannelError:
            if time.monotonic() >= until or not isinstance(where, UnixAddress | TcpAddress):
                raise
            time.sleep(_PAUSE)


def _connect(where: Address, timeout: float | None) -> SocketChannel | FileChannel:
    if isinstance(where, UnixAddress):
        return connect_unix(where, timeout)
    if isinstance(where, TcpAddress):
        return connect_tcp(where, timeout)
    if isinstance(where, FdAddress):
        return open_fd(where, timeout)
    return open_file(where, write=True, timeout=timeout)


def listen(address: str | Address) -> Listener:
    """A socket that waits for a source. Only unix: and tcp: can wait."""
    where = parse_address(address) if isinstance(address, str) else address
    if isinstance(where, UnixAddress):
        return listen_unix(where)
    if isinstance(where, TcpAddress):
        return listen_tcp(where)
    raise ChannelError(f"cannot listen on '{where}'\n  expected unix:PATH or tcp:HOST:PORT")


def accept(address: str | Address, *, timeout: float | None = DEFAULT_TIMEOUT) -> SocketChannel | FileChannel:
    """A channel to receive from: waits for one connection, or opens the descriptor or file."""
    where = parse_address(address) if isinstance(address, str) else address
    if isinstance(where, FdAddress):
        return open_fd(where, timeout)
    if isinstance(where, FileAddress):
        return open_file(where, write=False, timeout=timeout)
    with listen(where) as listener:
        return listener.accept(timeout)
