"""The bytes that have arrived and are not read yet.

Knows absolute offsets and how to give room back cheaply. Must not know what the bytes mean.
A large object that cannot change (``bytes``, a file mapped read-only) fed into an empty window is used as it
is, not copied; views of it stay valid as long as anyone holds them.
"""

from __future__ import annotations

from mmap import mmap

from vnetmig.stream.cursor import Buffer

_COMPACT_AT = 1 << 16
"""Below this many read bytes, moving the rest to the front is not worth it."""
_BORROW_AT = 1 << 12


class Window:
    """``offset`` is that of the next unread byte, ``arrived`` that of the next byte to come."""

    __slots__ = ("_read", "_store", "arrived", "offset")

    def __init__(self) -> None:
        self._store: bytes | bytearray | mmap = bytearray()
        self._read = 0
        self.offset = 0
        self.arrived = 0

    def append(self, data: Buffer) -> None:
        size = len(data)
        self.arrived += size
        if size >= _BORROW_AT and self._borrow(data):
            return
        store = self._store
        if not isinstance(store, bytearray):
            store = self._start_anew()
        try:
            store += data
        except BufferError:
            store = self._start_anew()
            store += data

    def _borrow(self, data: Buffer) -> bool:
        """Use ``data`` itself as the store, if it cannot change and nothing is unread before it."""
        if self._read != len(self._store) or not isinstance(data, bytes | mmap) or not _fixed(data):
            return False
        self._store = data
        self._read = 0
        return True

    def _start_anew(self) -> bytearray:
        """Move the unread bytes: the store is not ours, or someone holds a view of it."""
        store = bytearray(memoryview(self._store)[self._read :])
        self._store = store
        self._read = 0
        return store

    def view(self, end: int) -> memoryview:
        """The unread bytes up to the absolute offset ``end``. Release it before the next ``append``."""
        read = self._read
        return memoryview(self._store)[read : read + end - self.offset]

    def skip(self, count: int) -> None:
        self._read += count
        self.offset += count
        store = self._store
        if self._read >= _COMPACT_AT and isinstance(store, bytearray) and 2 * self._read >= len(store):
            try:
                del store[: self._read]
            except BufferError:
                self._start_anew()
            self._read = 0

    def find(self, needle: bytes, start: int, end: int) -> int:
        """Position of ``needle`` at or behind ``start`` and wholly before the absolute ``end``, or -1.
        Positions are relative to the next unread byte."""
        found = self._store.find(needle, self._read + start, self._read + end - self.offset)
        return found - self._read if found >= 0 else -1


def let_go(view: memoryview) -> None:
    """Release ``view``, unless somebody looks at part of it still: profilers and debuggers keep frames, and all that is
    in them, for longer than they run. The window can do without."""
    try:  # noqa: SIM105 suppress() takes longer than all of the rest, and this runs at every step
        view.release()
    except BufferError:
        pass


def _fixed(data: bytes | mmap) -> bool:
    with memoryview(data) as view:
        return view.readonly
