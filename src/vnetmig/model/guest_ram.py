"""Guest physical memory that a guest and a device write while somebody else copies it.

Knows bytes, addresses and which pages were written; knows no ring and no stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from vnetmig.errors import VnetmigError

PAGE_SIZE = 4096

RAM_MAX = 1 << 32
"""Bytes of one guest's memory at most: it is one buffer of this process."""

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class OutsideGuestRam(VnetmigError):
    """An access to an address that the guest has no memory at."""

    def __init__(self, gpa: int, length: int, size: int) -> None:
        super().__init__(
            f"guest memory is {size:#x} bytes: {length} bytes at {gpa:#x} are not in it; give the guest more memory or "
            "another address"
        )
        self.gpa = gpa


class GuestRam:
    """``size`` bytes of guest memory from address 0, with a dirty flag for each page of 4 KiB.

    One thread may write while another takes dirty pages and reads them: a write changes the bytes first and marks
    after, ``take_dirty`` clears a mark first and its caller reads after, so a page that changes later is dirty again.

    >>> ram = GuestRam(2 * PAGE_SIZE)
    >>> ram.write(0x1000, b"virtio")
    >>> ram.take_dirty(), ram.read(0x1000, 6), ram.read(0x2000, 1)
    ([4096], b'virtio', None)
    """

    def __init__(self, size: int) -> None:
        if not 0 < size <= RAM_MAX or size % PAGE_SIZE:
            raise ValueError(
                f"guest memory is 1 to {RAM_MAX // PAGE_SIZE} pages of {PAGE_SIZE} bytes, not {size} bytes"
            )
        self.size = size
        self._bytes = bytearray(size)
        self._dirty = bytearray(size // PAGE_SIZE)

    @classmethod
    def from_pages(cls, size: int, pages: Mapping[int, bytes]) -> GuestRam:
        """Memory of ``size`` bytes with ``pages`` (address -> 4 KiB) in it, the rest zero, and nothing dirty.

        OutsideGuestRam for a page that does not fit; ValueError for one of another length.
        """
        ram = cls(size)
        for gpa, page in pages.items():
            if len(page) != PAGE_SIZE:
                raise ValueError(f"the page at {gpa:#x} has {len(page)} bytes")
            ram.write(gpa, page)
        ram.take_dirty()
        return ram

    def read(self, gpa: int, length: int) -> bytes | None:
        """``length`` bytes at ``gpa``; None when any of them is outside (``virtio.rings.Memory``)."""
        if gpa < 0 or length < 0 or gpa + length > self.size:
            return None
        return bytes(self._bytes[gpa : gpa + length])

    def fetch(self, gpa: int, length: int) -> bytes:
        """``read`` for those who know where memory is: OutsideGuestRam instead of None."""
        if gpa < 0 or length < 0 or gpa + length > self.size:
            raise OutsideGuestRam(gpa, length, self.size)
        return bytes(self._bytes[gpa : gpa + length])

    def write(self, gpa: int, data: bytes | bytearray | memoryview) -> None:
        length = len(data)
        if gpa < 0 or gpa + length > self.size:
            raise OutsideGuestRam(gpa, length, self.size)
        if not length:
            return
        self._bytes[gpa : gpa + length] = data
        first, last = gpa // PAGE_SIZE, (gpa + length - 1) // PAGE_SIZE
        self._dirty[first] = 1
        for page in range(first + 1, last + 1):
            self._dirty[page] = 1

    def u16(self, gpa: int) -> int:
        return int(_U16.unpack(self.fetch(gpa, 2))[0])

    def u32(self, gpa: int) -> int:
        return int(_U32.unpack(self.fetch(gpa, 4))[0])

    def u64(self, gpa: int) -> int:
        return int(_U64.unpack(self.fetch(gpa, 8))[0])

    def put_u16(self, gpa: int, value: int) -> None:
        self.write(gpa, _U16.pack(value))

    def put_u32(self, gpa: int, value: int) -> None:
        self.write(gpa, _U32.pack(value))

    def put_u64(self, gpa: int, value: int) -> None:
        self.write(gpa, _U64.pack(value))

    def take_dirty(self) -> list[int]:
        """Addresses of the pages written since the last call, ascending; their marks are cleared."""
        dirty, taken = self._dirty, []
        page = dirty.find(1)
        while page >= 0:
            dirty[page] = 0
            taken.append(page * PAGE_SIZE)
            page = dirty.find(1, page + 1)
        return taken

    @property
    def dirty_count(self) -> int:
        """Pages that ``take_dirty`` would give now."""
        return self._dirty.count(1)

    def page(self, gpa: int) -> bytes:
        """The page that ``gpa`` lies in."""
        return self.fetch(gpa - gpa % PAGE_SIZE, PAGE_SIZE)

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """(address, content) of every page, ascending."""
        for gpa in range(0, self.size, PAGE_SIZE):
            yield gpa, self.page(gpa)
