"""UNIX sockets: connect and listen by path."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from vnetmig.channel.address import UnixAddress
from vnetmig.channel.interface import told
from vnetmig.channel.socket_channel import DEFAULT_TIMEOUT, Listener, SocketChannel, connected
from vnetmig.errors import ChannelError

PATH_MAX = 107
"""Bytes that sun_path holds, without its NUL."""


def connect_unix(address: UnixAddress, timeout: float | None = DEFAULT_TIMEOUT) -> SocketChannel:
    _check(address.path)
    return connected(socket.AF_UNIX, address.path, address.path, timeout)


def listen_unix(address: UnixAddress) -> Listener:
    """A socket file that nobody serves any more is replaced, as QEMU does; other files are not."""
    path = address.path
    _check(path)
    with told(f"Failed to bind socket to '{path}'"):
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with suppress(FileNotFoundError):
                if stat.S_ISSOCK(os.stat(path).st_mode):
                    os.unlink(path)
            listening.bind(path)
            listening.listen(1)
        except BaseException:
            listening.close()
            raise
    return Listener(listening, str(address), remove=path)


def _check(path: str) -> None:
    if len(os.fsencode(path)) > PATH_MAX:
        raise ChannelError(f"UNIX socket path '{path}' is too long\n  Path must be less than {PATH_MAX + 1} bytes")
