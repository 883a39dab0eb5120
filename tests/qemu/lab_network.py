"""The laboratory's network: a bridge with taps, and a TCP server that guests talk to, in a namespace of the test's.

Knows the kernel's interfaces only. All of it vanishes with the namespace; what a guest may not notice of a migration is
counted here: one connection, whose numbered lines come complete and in order.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from network_namespace import bring_up

ADDRESS, BITS = "10.99.0.1", 24
GUEST = "10.99.0.2"
ECHO = 7

BRIDGE = "lab0"
SIOCBRADDBR, SIOCBRADDIF, SIOCSIFADDR, SIOCSIFNETMASK = 0x89A0, 0x89A2, 0x8916, 0x891C
SIOCSIFHWADDR, ARPHRD_ETHER, MAC = 0x8924, 1, "02:ab:00:00:00:01"
TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE, IFF_VNET_HDR = 0x2, 0x1000, 0x100, 0x4000


@dataclass
class Connection:
    """What came over one connection of a guest: whole lines, which are numbers."""

    received: int = 0
    lines: int = 0
    faults: list[str] = field(default_factory=list)
    ended: bool = False
    rest: bytes = b""

    def take(self, data: bytes) -> None:
        self.received += len(data)
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in whole:
            if line != b"%d" % self.lines:
                self.faults.append(f"line {self.lines} is {line!r}")
            self.lines += 1


class EchoServer:
    """Sends back what comes. ``connections`` in the order in which they were made."""

    def __init__(self, address: str = ADDRESS, port: int = ECHO) -> None:
        self.connections: list[Connection] = []
        self._listener = socket.create_server((address, port))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake, woken = socket.socketpair()
        self._selector.register(woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, args=(woken,), daemon=True)
        self._thread.start()

    def _serve(self, woken: socket.socket) -> None:
        while True:
            for key, _ in self._selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock is woken:
                    return
                if sock is self._listener:
                    guest, _ = self._listener.accept()
                    self.connections.append(Connection())
                    self._selector.register(guest, selectors.EVENT_READ, self.connections[-1])
                else:
                    self._answer(sock, key.data)

    def _answer(self, sock: socket.socket, connection: Connection) -> None:
        try:
            data = sock.recv(65536)
            sock.sendall(data)
        except OSError as error:
            connection.faults.append(str(error))
            data = b""
        connection.take(data)
        if not data:
            connection.ended = True
            self._selector.unregister(sock)
            sock.close()

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._wake.close()


class LabNetwork:
    """In the namespace of the calling thread: processes and threads that it starts are in it too."""

    def __init__(self) -> None:
        self._taps = 0
        name = struct.pack("16s", BRIDGE.encode())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCBRADDBR, name)
            # Unless set it is the lowest of the ports': a new tap would cut off the guests that know another.
            mac = struct.pack("=H6s16x", ARPHRD_ETHER, bytes.fromhex(MAC.replace(":", "")))
            fcntl.ioctl(any_socket, SIOCSIFHWADDR, name + mac)
            for request, address in ((SIOCSIFADDR, ADDRESS), (SIOCSIFNETMASK, "255.255.255.0")):
                sockaddr = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
                fcntl.ioctl(any_socket, request, name + sockaddr + bytes(8))
        bring_up("lo")
        bring_up(BRIDGE)
        self.echo = EchoServer()

    def tap(self, pairs: int = 1, netdev: str = "n0") -> str:
        """A new tap at the bridge, as the argument of ``-netdev``."""
        name = f"tap{self._taps}"
        self._taps += 1
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if pairs > 1 else 0)
        with open("/dev/net/tun", "r+b", buffering=0) as tun:
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
            fcntl.ioctl(tun, TUNSETPERSIST, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            bridge = struct.pack("16si20x", BRIDGE.encode(), socket.if_nametoindex(name))
            fcntl.ioctl(any_socket, SIOCBRADDIF, bridge)
        bring_up(name)
        queues = f",queues={pairs}" if pairs > 1 else ""
        return f"tap,id={netdev},ifname={name},script=no,downscript=no,vhost=off{queues}"

    def spread(self, address: str = GUEST, flows: int = 32) -> None:
        """Datagrams of many flows to a guest, so that each of its queue pairs sees some."""
        for number in range(flows):
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
                contextlib.suppress(ConnectionRefusedError),
            ):
                sender.sendto(os.urandom(64), (address, 9000 + number))

    def close(self) -> None:
        self.echo.close()


@contextlib.contextmanager
def lab_network() -> Iterator[LabNetwork]:
    network = LabNetwork()
    try:
        yield network
    finally:
        network.close()
