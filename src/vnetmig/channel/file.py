"""Files and inherited file descriptors as channels.

Knows reads and writes that come back short. Nobody answers through a file or a pipe.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from select import PIPE_BUF

from vnetmig.channel.address import FdAddress, FileAddress
from vnetmig.channel.interface import ClosingChannel, told
from vnetmig.channel.socket_channel import DEFAULT_TIMEOUT, SocketChannel


class FileChannel(ClosingChannel):
    """An open file descriptor, which this object closes. ``timeout``: for each single call; None waits forever. A file
    on a disk is always ready, a pipe is when its other end is."""

    two_way = False

    def __init__(self, number: int, name: str, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        self._number: int | None = number
        self._name = name
        self._timeout = timeout

    def __enter__(self) -> FileChannel:
        return self

    def send(self, data: bytes) -> None:
        with told(f"Unable to write to '{self._name}'"):
            rest = memoryview(data)
            # Of more than PIPE_BUF bytes a pipe that is ready may take some, and wait with the rest.
            size = len(rest) if self._timeout is None or stat.S_ISREG(os.fstat(self._open()).st_mode) else PIPE_BUF
            while rest:
                self._wait(select.POLLOUT)
                rest = rest[os.write(self._open(), rest[:size]) :]

    def receive(self, limit: int) -> bytes:
        with told(f"Unable to read from '{self._name}'"):
            self._wait(select.POLLIN)
            return os.read(self._open(), limit)

    def _wait(self, event: int) -> None:
        if self._timeout is None:
            return
        waiting = select.poll()
        waiting.register(self._open(), event)
        if not waiting.poll(self._timeout * 1000):
            raise TimeoutError

    def ready(self) -> bool:
        return False

    def finish(self) -> None:
        """The end of a file is its end, and that of a pipe its closing."""

    def close(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            with told(f"Unable to close '{self._name}'"):
                os.close(number)

    def _open(self) -> int:
        if self._number is None:
            raise ValueError("it is closed")
        return self._number


def open_file(address: FileAddress, *, write: bool, timeout: float | None = DEFAULT_TIMEOUT) -> FileChannel:
    """A stream in a file, from ``offset`` on. Writing keeps what stands in front of it."""
    with told(f"Unable to open '{address.path}'"):
        flags = os.O_WRONLY | os.O_CREAT if write else os.O_RDONLY
        number = os.open(address.path, flags | os.O_CLOEXEC, 0o660)
        channel = FileChannel(number, address.path, timeout)
        try:
            if write and stat.S_ISREG(os.fstat(number).st_mode):
                os.ftruncate(number, address.offset)
            if address.offset:
                os.lseek(number, address.offset, os.SEEK_SET)
        except BaseException:
            channel.close()
            raise
    return channel


def open_fd(address: FdAddress, timeout: float | None = DEFAULT_TIMEOUT) -> SocketChannel | FileChannel:
    """A descriptor that was inherited: a socket goes both ways, anything else one way."""
    with told(f"Unable to use file descriptor {address.number}"):
        if stat.S_ISSOCK(os.fstat(address.number).st_mode):
            return SocketChannel(socket.socket(fileno=address.number), timeout)
    return FileChannel(address.number, str(address), timeout)
