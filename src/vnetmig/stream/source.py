"""Bytes of a file in pieces, with a look ahead: what containers are read from.

Knows reading forwards only, so that pipes will do. Must not know what the bytes are, nor open files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from vnetmig.errors import StreamError

CHUNK: Final = 1 << 20


class Readable(Protocol):
    """A binary file, or anything with its ``read``."""

    def read(self, size: int, /) -> bytes | None: ...


class Source:
    """``offset`` is the position of the next byte, counted from where reading began."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._ahead = b""
        self._taken = 0
        """How much of ``_ahead`` was read: cutting it off every time would copy the rest every time."""
        self.offset = 0

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview | Readable) -> Source:
        if isinstance(data, bytes):
            return cls(iter((data,)))
        if isinstance(data, bytearray | memoryview):
            return cls(iter((bytes(data),)))
        return cls(_chunks(data))

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end, without moving."""
        have = len(self._ahead) - self._taken
        if have < size:
            parts = [self._ahead[self._taken :]]
            while have < size and (chunk := next(self._chunks, b"")):
                parts.append(chunk)
                have += len(chunk)
            self._ahead, self._taken = b"".join(parts) if parts[0] else _joined(parts[1:]), 0
        return self._ahead[self._taken : self._taken + size]

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end."""
        taken = self.peek(size)
        self._taken += len(taken)
        self.offset += len(taken)
        return taken

    def read_some(self) -> bytes:
        """The next bytes, as many as there are without copying; empty at the end."""
        self.peek(1)
        some = self._ahead[self._taken :] if self._taken else self._ahead
        self._ahead, self._taken = b"", 0
        self.offset += len(some)
        return some

    def give_back(self, data: bytes) -> None:
        """Undo a ``read`` of ``data``."""
        self._ahead, self._taken = data + self._ahead[self._taken :], 0
        self.offset -= len(data)


def _joined(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _chunks(file: Readable) -> Iterator[bytes]:
    offset = 0
    while chunk := _next(file, offset):
        offset += len(chunk)
        yield chunk


def _next(file: Readable, offset: int) -> bytes:
    """What one ``read`` gives, however little; nothing at the end."""
    while True:
        try:
            chunk = file.read(CHUNK)
        except InterruptedError:  # a signal: Python's own files go on by themselves
            continue
        if chunk is None:
            raise StreamError(
                "Nothing can be read now, and the file does not wait",
                offset=offset,
                expected="bytes, or the end",
                got="None",
                hint="make the file blocking, or give the bytes as they come to vnetmig.document.incoming.Incoming",
                code="blocked",
            )
        return chunk
