"""What a mapped-ram file holds besides words, as values that write themselves again.

Knows the pieces (entry, bitmap, gap, part of the pages) one by one; in which order and size they
follow each other is mapped_ram.py's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vnetmig.errors import EncodeError
from vnetmig.stream.ram_words import PAGE_SIZE, Block, BlockList

_GRAIN = 512
"""Zero runs of at least this many bytes end a kept piece: a file system's holes are no smaller."""

_NONZERO = re.compile(rb"[^\0]")

Extra = tuple[tuple[int, bytes], ...]
"""Bytes where the layout has none: (offset in the chunk, bytes), in order."""


@dataclass(frozen=True, slots=True)
class MappedEntry:
    """A block's entry with its header; ``total`` is the MEM_SIZE word's, before the first entry only."""

    block: Block
    total: int | None = None
    page_size: int = PAGE_SIZE

    def encode(self) -> bytes:
        head = b"" if self.total is None else BlockList(self.total, ()).encode(self.page_size)
        return head + self.block.encode()


@dataclass(frozen=True, slots=True)
class MappedBitmap:
    """Which pages of a block are present: bit i (of little-endian 64-bit words) is page i."""

    block: str
    bits: bytes

    def pages(self) -> Iterator[int]:
        """Numbers of the present pages, in order."""
        for at, byte in enumerate(self.bits):
            if byte:
                for bit in range(8):
                    if byte >> bit & 1:
                        yield at * 8 + bit

    def encode(self) -> bytes:
        return self.bits


@dataclass(frozen=True, slots=True)
class MappedGap:
    """The way from a bitmap to the pages: ``size`` zero bytes, but for ``extra``."""

    size: int
    extra: Extra = ()

    def encode(self) -> bytes:
        return _with(bytes(self.size), self.extra)


@dataclass(frozen=True, slots=True)
class MappedPages:
    """Part of a block's pages region, ``size`` bytes from ``address`` on.

    ``data`` holds the present pages one after another, ``present`` the bits that say which they are
    (bit 0: the page at ``address``). Absent pages are zero in the file, but for ``extra``. ``whole``: ``data`` has them
    too, as they are: it is a view of a file that stays, so that this part costs no memory.
    """

    block: str
    address: int
    size: int
    page_size: int
    present: bytes
    data: bytes | memoryview
    extra: Extra = ()
    whole: bool = False

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """(address in the block, content) of the present pages."""
        at = 0
        for number in MappedBitmap(self.block, self.present).pages():
            if self.whole:
                at = number * self.page_size
            yield self.address + number * self.page_size, bytes(self.data[at : at + self.page_size])
            at += self.page_size

    def encode(self) -> bytes:
        if self.whole:
            return bytes(self.data)
        region = bytearray(self.size)
        behind = 0
        for address, page in self.pages():
            at = address - self.address
            behind += self.page_size
            if len(page) != self.page_size or at + self.page_size > self.size:
                raise EncodeError(f"{self.block}/{address:#x}: no whole page here")
            region[at : at + self.page_size] = page
        if behind != len(self.data):
            raise EncodeError(f"{self.block}: {len(self.data)} bytes of pages, {behind} present")
        return _with(region, self.extra)


def nonzero_runs(data: bytes, base: int) -> Iterator[tuple[int, bytes]]:
    """What is not zero in ``data``, in pieces that start and end with a non-zero byte."""
    if data == bytes(len(data)):
        return
    gap = bytes(_GRAIN)
    found = _NONZERO.search(data)
    while found is not None:
        start = found.start()
        end = data.find(gap, start)
        kept = data[start : end if end >= 0 else len(data)].rstrip(b"\0")
        yield base + start, kept
        found = _NONZERO.search(data, start + len(kept))


def _with(region: bytes | bytearray, extra: Extra) -> bytes:
    if not extra:
        return bytes(region)
    out = bytearray(region)
    for at, data in extra:
        if at < 0 or at + len(data) > len(out):
            raise EncodeError(f"{len(data)} bytes at {at:#x} are outside the {len(out)} bytes of the chunk")
        out[at : at + len(data)] = data
    return bytes(out)
