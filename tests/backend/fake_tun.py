"""A kernel with taps, as far as the backend can see: for failing calls one by one, without privileges.

It keeps the rules that were read out of drivers/net/tun.c: settings belong to the interface, to attach twice
is an error, the last descriptor takes the interface along. Descriptors are real ones, so leaks are real.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass, field

from vnetmig.backend.tun import (
    IFF_ATTACH_QUEUE,
    IFF_DETACH_QUEUE,
    IFF_MULTI_QUEUE,
    IFF_TUN_EXCL,
    REQUESTS,
    TAP_FLAGS,
    Linux,
)

NAMES = {number: name for name, number in REQUESTS.items()}


@dataclass
class Interface:
    header_size: int = 10
    little: bool = False
    big: bool = False
    offloads: int = 0
    attached: dict[int, bool] = field(default_factory=dict)


class FakeLinux(Linux):
    """``log``: the calls so far. Call ``fails_at`` (and, if ``for_good``, all later ones) ends with ``error``."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.interfaces: dict[str, Interface] = {}
        self.of: dict[int, str | None] = {}
        self.peers: dict[int, socket.socket] = {}
        self.fails_at = -1
        self.for_good = False
        self.error = errno.EIO
        self.refused_offloads = 0
        self.crosses_endian = False

    def fail(self, ahead: int, *, for_good: bool = False) -> None:
        """Let the call after ``ahead`` good ones fail."""
        self.fails_at, self.for_good = self.calls + ahead, for_good

    def snapshot(self) -> object:
        return {
            name: (it.header_size, it.little, it.offloads, list(it.attached.values()))
            for name, it in self.interfaces.items()
        }

    def open(self) -> int:
        self._count("open")
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        near.setblocking(False)
        fd = near.detach()
        self.of[fd], self.peers[fd] = None, far
        return fd

    def close(self, fd: int) -> None:
        self.calls += 1
        self.log.append("close")
        os.close(fd)
        self.peers.pop(fd).close()
        name = self.of.pop(fd)
        if name is not None and name in self.interfaces:
            del self.interfaces[name].attached[fd]
            if not self.interfaces[name].attached:
                del self.interfaces[name]

    def ioctl(self, fd: int, request: int, argument: bytes | int) -> bytes | int:
        call = NAMES[request]
        self._count(call)
        if call == "TUNSETIFF":
            assert isinstance(argument, bytes)
            return self._set_interface(fd, argument)
        name = self.of[fd]
        if name not in self.interfaces:
            raise OSError(errno.EBADFD, "File descriptor in bad state")
        return self._set(call, fd, name, self.interfaces[name], argument)

    def _set_interface(self, fd: int, ifreq: bytes) -> bytes:
        raw, flags = struct.unpack("=16sH22x", ifreq)
        name = raw.rstrip(b"\0").decode()
        if "%d" in name:
            name = next(
                each for number in range(99) if (each := name.replace("%d", str(number))) not in self.interfaces
            )
        if name in self.interfaces and flags & IFF_TUN_EXCL:
            raise OSError(errno.EBUSY, "Device or resource busy")
        assert flags & ~IFF_TUN_EXCL == TAP_FLAGS
        self.interfaces.setdefault(name, Interface()).attached[fd] = True
        self.of[fd] = name
        return struct.pack("=16sH22x", name.encode(), TAP_FLAGS)

    def _set(self, call: str, fd: int, name: str, it: Interface, argument: bytes | int) -> bytes | int:
        if isinstance(argument, int):
            assert call == "TUNSETOFFLOAD"
            self._check(not argument & self.refused_offloads)
            it.offloads = argument
            return 0
        if call == "TUNGETIFF":
            flags = TAP_FLAGS | (0 if it.attached[fd] else IFF_DETACH_QUEUE)
            return struct.pack("=16sH22x", name.encode(), flags)
        if call == "TUNSETQUEUE":
            flags = struct.unpack("=16sH22x", argument)[1]
            wanted = {IFF_ATTACH_QUEUE: True, IFF_DETACH_QUEUE: False}[flags & ~IFF_MULTI_QUEUE]
            self._check(it.attached[fd] is not wanted)
            it.attached[fd] = wanted
            return argument
        value = struct.unpack("=i", argument)[0]
        if call == "TUNSETVNETHDRSZ":
            it.header_size = value
        elif call == "TUNSETVNETLE":
            it.little = bool(value)
        elif call == "TUNSETVNETBE":
            self._check(self.crosses_endian)
            it.big = bool(value)
        else:
            raise AssertionError(call)
        return argument

    def _count(self, call: str) -> None:
        number, self.calls = self.calls, self.calls + 1
        if number == self.fails_at or (self.for_good and 0 <= self.fails_at < number):
            raise OSError(self.error, os.strerror(self.error))
        self.log.append(call)

    @staticmethod
    def _check(fine: bool) -> None:
        if not fine:
            raise OSError(errno.EINVAL, "Invalid argument")
