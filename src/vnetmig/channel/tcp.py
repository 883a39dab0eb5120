"""TCP sockets: connect and listen by host and port."""

from __future__ import annotations

import socket

from vnetmig.channel.address import TcpAddress
from vnetmig.channel.interface import told
from vnetmig.channel.socket_channel import DEFAULT_TIMEOUT, Listener, SocketChannel, connected
from vnetmig.errors import ChannelError


def connect_tcp(address: TcpAddress, timeout: float | None = DEFAULT_TIMEOUT) -> SocketChannel:
    """The first of the host's addresses that answers."""
    error: ChannelError | None = None
    for family, target in _resolved(address, passive=False):
        try:
            return connected(family, target, str(address), timeout)
        except ChannelError as failed:
            error = failed
    raise error or ChannelError(f"address resolution failed for {address.host}:{address.port}: no address")


def listen_tcp(address: TcpAddress) -> Listener:
    """Port 0 takes a free one; ``Listener.address`` says which."""
    family, target = _resolved(address, passive=True)[0]
    with told(f"Failed to bind socket to '{address}'"):
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(target)  # type: ignore[arg-type]
            listening.listen(1)
        except BaseException:
            listening.close()
            raise
    return Listener(listening, str(TcpAddress(address.host, listening.getsockname()[1])))


def _resolved(address: TcpAddress, *, passive: bool) -> list[tuple[int, object]]:
    flags = socket.AI_PASSIVE if passive else 0
    with told(f"address resolution failed for {address.host}:{address.port}"):
        found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=flags)
    return [(entry[0], entry[4]) for entry in found]
