"""What is known of a guest's memory, by guest physical address.

Knows the sources (pages by address, JSON, a RAM file, a stream's own RAM) and where x86 machines put
their RAM. Does not know what the pages hold: rings and descriptors are read by others.

Where a source is a set of pages (`from_pages`, `from_json`), pages not given read as zero: whoever
gives memory at all gives what is not zero. Where a source is RAM itself, addresses outside of it and
pages that a stream did not carry are not known, which is None.
"""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from vnetmig.errors import StreamError
from vnetmig.stream.mapped_ram import read_page
from vnetmig.stream.payload import Payload
from vnetmig.stream.ram_image import RamImage
from vnetmig.stream.ram_words import PAGE_SIZE, Block
from vnetmig.stream.source import CHUNK

MAX_READ = 64 << 20
"""The most that one `GuestMemory.read` returns: lengths come from rings, which a guest wrote."""

MAX_UNPACKED = 1 << 30
"""Bytes of a JSON file of pages, or of a compressed file of any kind."""

FOUR_GIB = 1 << 32

Buffer: TypeAlias = bytes | bytearray | memoryview | mmap.mmap
MemorySource: TypeAlias = "GuestMemory | Mapping[int, bytes] | Buffer | str | os.PathLike[str]"


@dataclass(frozen=True, slots=True)
class Split:
    """From ``threshold`` bytes of RAM on, all above ``low`` lies at 4 GiB."""

    machine: str
    threshold: int
    low: int


SPLITS: tuple[Split, ...] = (
    Split("pc-q35", 0xB0000000, 0x80000000),  # qemu: hw/i386/pc_q35.c:pc_q35_init
    Split("q35", 0xB0000000, 0x80000000),
    Split("microvm", 0xC0000000, 0xC0000000),  # qemu: hw/i386/microvm.c:microvm_memory_init
    Split("pc", 0xE0000000, 0xC0000000),  # qemu: hw/i386/pc_piix.c:pc_init1
)
"""By the start of the machine type's name, first match; the property max-ram-below-4g is not migrated."""

NOT_GUEST_RAM = ("pc.bios", "pc.rom", "vga.vram", "isa-bios", "system.flash")
"""Blocks of firmware and devices, by the start of their name; others of that kind have a / in it."""


@dataclass(frozen=True, slots=True)
class Extent:
    """``size`` bytes of guest memory at ``gpa`` are ``block`` from ``start`` on."""

    gpa: int
    size: int
    block: str
    start: int


@dataclass(frozen=True, slots=True)
class GuestMemory:
    """Guest memory behind one function: ``page(gpa)`` of a page's address is its content, or None.

    ``origin`` says for people where it comes from.
    """

    page: Callable[[int], bytes | None]
    origin: str

    def read(self, gpa: int, length: int) -> bytes | None:
        """``length`` bytes at ``gpa``; None when any of them is not known."""
        if gpa < 0 or not 0 <= length <= MAX_READ or gpa + length > 1 << 64:
            return None
        parts: list[bytes] = []
        at = gpa
        while at < gpa + length:
            page = self.page(at & -PAGE_SIZE)
            if page is None or len(page) != PAGE_SIZE:
                return None
            start = at & (PAGE_SIZE - 1)
            part = page[start : start + gpa + length - at]
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def pages_for(self, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
        """(address, content) of every known page that a span (gpa, length) touches, each page once."""
        seen: set[int] = set()
        for gpa, length in spans:
            if gpa < 0 or not 0 < length <= MAX_READ:
                continue
            for address in range(gpa & -PAGE_SIZE, gpa + length, PAGE_SIZE):
                if address not in seen:
                    seen.add(address)
                    page = self.page(address)
                    if page is not None:
                        yield address, page

    @classmethod
    def from_pages(cls, pages: Mapping[int, bytes], origin: str = "given pages") -> GuestMemory:
        """Pages (or runs of whole pages) by address; the rest of memory reads as zero."""
        known: dict[int, bytes] = {}
        for gpa, data in pages.items():
            if gpa < 0 or gpa % PAGE_SIZE or len(data) % PAGE_SIZE or gpa + len(data) > 1 << 64:
                raise StreamError(
                    "Not guest memory: no whole page at its address",
                    field=f"{gpa:#x}",
                    expected=f"an address and a length that are multiples of {PAGE_SIZE}",
                    got=f"{len(data)} bytes",
                )
            for at in range(0, len(data), PAGE_SIZE):
                known[gpa + at] = bytes(data[at : at + PAGE_SIZE])
        zero = bytes(PAGE_SIZE)
        return cls(lambda gpa: known.get(gpa, zero), f"{origin}: {len(known)} pages")

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> GuestMemory:
        """A JSON object {"0x1000": base64 of a page}, as it is or compressed with xz or gzip."""
        return cls.from_pages(_json_pages(_decompressed(Path(path), MAX_UNPACKED)), str(path))

    @classmethod
    def from_ram_file(
        cls, source: str | os.PathLike[str] | Buffer, machine: str = "pc", origin: str = "RAM"
    ) -> GuestMemory:
        """All RAM of the guest from byte 0 on, as a memory-backend-file keeps it; stays mapped."""
        if isinstance(source, (str, os.PathLike)):
            origin = str(source)
            data: Buffer = _mapped(Path(source))
        else:
            data = source
        extents = pc_extents(machine, len(data))

        def page(gpa: int) -> bytes | None:
            place = _locate(extents, gpa)
            return None if place is None else bytes(data[place[1] : place[1] + PAGE_SIZE])

        return cls(page, f"{origin}: {len(data)} bytes")

    @classmethod
    def from_ram_words(
        cls,
        chunks: Iterable[Payload],
        blocks: Sequence[Block] = (),
        machine: str = "pc",
        ram_blocks: Sequence[str] | None = None,
    ) -> GuestMemory:
        """A stream's own RAM: the chunks of its ``ram`` section, in order.

        ``blocks`` is the block list if the chunks do not hold it. ``ram_blocks`` names the blocks that
        make up the guest's RAM one after another; by default the one that is neither firmware nor a
        device's. With none or several of these nothing is known.
        """
        image = RamImage(sparse=True)
        image.blocks.update((block.name, block) for block in blocks)
        for chunk in chunks:
            image.apply_payload(chunk)
        return cls.from_image(image, machine, ram_blocks)

    @classmethod
    def from_image(cls, image: RamImage, machine: str = "pc", ram_blocks: Sequence[str] | None = None) -> GuestMemory:
        """Blocks with pages, at the places where the machine has them."""
        extents = ram_extents(image.blocks.values(), machine, ram_blocks)

        def page(gpa: int) -> bytes | None:
            place = _locate(extents, gpa)
            return None if place is None else image.read(*place, PAGE_SIZE)

        return cls(page, f"the stream's own RAM: {image.known()} pages")

    @classmethod
    def from_mapped_ram(
        cls,
        file: bytes | memoryview,
        blocks: Sequence[Block],
        machine: str = "pc",
        base: int = 0,
        ram_blocks: Sequence[str] | None = None,
    ) -> GuestMemory:
        """The pages of a mapped-ram file, read at their places only when they are asked for."""
        extents = ram_extents(blocks, machine, ram_blocks)
        by_name = {block.name: block for block in blocks}

        def page(gpa: int) -> bytes | None:
            place = _locate(extents, gpa)
            if place is None:
                return None
            block = by_name[place[0]]
            whole = read_page(file, block, place[1], base=base)
            start = place[1] % len(whole)
            content = whole[start : start + PAGE_SIZE]
            while len(content) < PAGE_SIZE:
                content += read_page(file, block, place[1] + len(content), base=base)
            return content

        return cls(page, "mapped-ram file")


def load_memory(source: MemorySource | None, machine: str = "pc") -> GuestMemory | None:
    """Guest memory from whatever holds it: pages by address, a path or the bytes of a RAM file.

    A file is JSON if its name or its first byte says so, else RAM. None gives None: nothing is known.
    """
    if source is None or isinstance(source, GuestMemory):
        return source
    if isinstance(source, Mapping):
        return GuestMemory.from_pages(source)
    if isinstance(source, (bytes, bytearray, memoryview, mmap.mmap)):
        return GuestMemory.from_ram_file(source, machine)
    path = Path(source)
    start = _decompressed(path, 16, whole=False)
    if start.lstrip()[:1] == b"{" or ".json" in path.suffixes:
        return GuestMemory.from_json(path)
    if start[:4] == b"QEVM":
        raise StreamError(
            "Not guest memory, but a migration stream",
            expected="pages as JSON, or a RAM file",
            got=str(path),
            hint="a stream that carries its RAM is its own memory",
        )
    if _compression(path) is not None:
        return GuestMemory.from_ram_file(_decompressed(path, MAX_UNPACKED), machine, str(path))
    return GuestMemory.from_ram_file(path, machine)


def pc_extents(machine: str, size: int, block: str = "") -> tuple[Extent, ...]:
    """Where an x86 machine has its ``size`` bytes of RAM, which are all in one ``block``."""
    for split in SPLITS:
        if machine.startswith(split.machine) and size >= split.threshold:
            low = Extent(0, split.low, block, 0)
            high = Extent(FOUR_GIB, size - split.low, block, split.low)
            return (low, high) if high.size else (low,)
    return (Extent(0, size, block, 0),)


def ram_extents(blocks: Iterable[Block], machine: str, names: Sequence[str] | None = None) -> tuple[Extent, ...]:
    """Where the guest has its RAM, by the list of all blocks; ``names``: those that make it up, one after another.
    Without them the one that is neither firmware nor a device's; () when there are none or several of these."""
    by_name = {block.name: block for block in blocks}
    if names is None:
        guest = [name for name in by_name if "/" not in name and not name.startswith(NOT_GUEST_RAM)]
        names = guest if len(guest) == 1 else []
    missing = [name for name in names if name not in by_name]
    if missing:
        raise StreamError(f"Can't find block {missing[0]}", expected=f"one of {', '.join(by_name)}", got=missing[0])
    found: list[Extent] = []
    total = sum(by_name[name].used_length for name in names)
    whole = pc_extents(machine, total)
    position = 0
    for name in names:
        end = position + by_name[name].used_length
        for extent in whole:
            low = max(position, extent.start)
            high = min(end, extent.start + extent.size)
            if low < high:
                found.append(Extent(extent.gpa + low - extent.start, high - low, name, low - position))
        position = end
    return tuple(found)


def _locate(extents: tuple[Extent, ...], gpa: int) -> tuple[str, int] | None:
    for extent in extents:
        inside = gpa - extent.gpa
        if 0 <= inside <= extent.size - PAGE_SIZE:
            return extent.block, extent.start + inside
    return None


def _json_pages(text: bytes) -> dict[int, bytes]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StreamError("Not guest memory: not JSON", got=error) from None
    if not isinstance(entries, dict):
        raise StreamError("Not guest memory", expected='{"0x1000": base64 of a page}', got=type(entries).__name__)
    pages: dict[int, bytes] = {}
    for key, value in entries.items():
        try:
            pages[int(key, 0)] = base64.b64decode(value, validate=True)
        except (ValueError, TypeError) as error:
            raise StreamError(
                "Not guest memory",
                field=key[:40],
                expected='"0x1000": base64 of a page',
                got=error,
            ) from None
    return pages


def _compression(path: Path) -> str | None:
    with path.open("rb") as file:
        magic = file.read(6)
    return "xz" if magic == b"\xfd7zXZ\0" else "gzip" if magic[:2] == b"\x1f\x8b" else None


def _opened(path: Path) -> IO[bytes] | lzma.LZMAFile | gzip.GzipFile:
    compression = _compression(path)
    if compression == "xz":
        return lzma.LZMAFile(path)
    if compression == "gzip":
        return gzip.GzipFile(path)
    return path.open("rb")


def _decompressed(path: Path, limit: int, *, whole: bool = True) -> bytes:
    """The first ``limit`` bytes of the file's content; with ``whole`` more than that is an error."""
    try:
        with _opened(path) as file:
            data = _up_to(file, limit + whole)
    except (lzma.LZMAError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StreamError("Not guest memory: broken compressed file", got=error) from None
    if whole and len(data) > limit:
        raise StreamError("Not guest memory: too long", expected=f"at most {limit} bytes", got=str(path))
    return data


def _up_to(file: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    """A ``read`` of ``size`` would take as much memory first, whatever there is to read."""
    parts: list[bytes] = []
    while size and (part := file.read(min(size, CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _mapped(path: Path) -> Buffer:
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise StreamError("Not guest memory: an empty file", got=str(path)) from None
