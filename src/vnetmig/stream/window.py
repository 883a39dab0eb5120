"""The bytes that have arrived and are not read yet.

Knows absolute offsets and how to give room back cheaply. Must not know what the bytes mean.
A large ``bytes`` object fed into an empty window is used as it is, not copied.
"""

from __future__ import annotations

from vnetmig.stream.cursor import Buffer

_COMPACT_AT = 1 << 16
"""Below this many read bytes, moving the rest to the front is not worth it."""
_BORROW_AT = 1 << 12


class Window:
    """``offset`` is that of the next unread byte, ``arrived`` that of the next byte to come."""

    __slots__ = ("_read", "_store", "arrived", "offset")

    def __init__(self) -> None:
        self._store: bytes | bytearray = bytearray()
        self._read = 0
        self.offset = 0
        self.arrived = 0

    def append(self, data: Buffer) -> None:
        size = len(data)
        self.arrived += size
        store = self._store
        if size >= _BORROW_AT and self._read == len(store) and isinstance(data, bytes):
            self._store = data
            self._read = 0
        elif isinstance(store, bytearray):
            store += data
        else:
            self._store = bytearray(memoryview(store)[self._read :])
            self._store += data
            self._read = 0

    def view(self, end: int) -> memoryview:
        """The unread bytes up to the absolute offset ``end``. Release it before the next ``append``."""
        read = self._read
        return memoryview(self._store)[read : read + end - self.offset]

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, which are there, and move behind them."""
        taken = bytes(memoryview(self._store)[self._read : self._read + count])
        self.skip(count)
        return taken

    def skip(self, count: int) -> None:
        self._read += count
        self.offset += count
        if (
            self._read >= _COMPACT_AT
            and 2 * self._read >= len(self._store)
            and isinstance(self._store, bytearray)
        ):
            del self._store[: self._read]
            self._read = 0

    def find(self, needle: bytes, start: int, end: int) -> int:
        """Position of ``needle`` at or behind ``start`` and wholly before the absolute ``end``, or -1.
        Positions are relative to the next unread byte."""
        found = self._store.find(needle, self._read + start, self._read + end - self.offset)
        return found - self._read if found >= 0 else -1
