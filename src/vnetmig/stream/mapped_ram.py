"""The START payload of ``ram`` in a mapped-ram file: every page has its own place in the file.

Knows the layout behind the MEM_SIZE word: per block an entry with a `MappedHeader`, a bitmap of the
pages that are present, a gap up to an alignment, and the region of the pages, where absent pages are
holes. Decodes it in sequence, piece by piece, so that memory stays flat; `read_pages` finds single
pages by their place instead. Does not know sections, footers, or how guest addresses map to blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vnetmig.errors import StreamError
from vnetmig.stream import holes
from vnetmig.stream.holes import Holes
from vnetmig.stream.mapped_pieces import (
    MappedBitmap,
    MappedEntry,
    MappedGap,
    MappedPages,
    nonzero_runs,
)
from vnetmig.stream.payload import Decoded, Ends, Payload
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_read import MAX_BLOCKS, PLAIN, Grammar, Incomplete, read_block_head, read_word
from vnetmig.stream.ram_words import (
    HOOK,
    MEM_SIZE,
    MULTIFD_FLUSH,
    PAGE,
    XBZRLE,
    ZERO,
    Block,
    EndOfSection,
    MappedHeader,
)

PIECE = 1 << 20
"""Bytes of a gap or of a pages region that one chunk covers."""

MAX_BITMAP = 1 << 28
"""Bytes of one block's bitmap, which stays in memory: a block of 8 TiB."""

MIN_PAGE, MAX_PAGE = 1 << 10, 1 << 16
"""Target page sizes of QEMU's targets."""

MAPPED_RAM_VERSION = 1
"""qemu: migration/ram.c:MAPPED_RAM_HDR_VERSION"""

_REFUSED = HOOK | MULTIFD_FLUSH | PAGE | XBZRLE | ZERO
_OFFSET_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a block's layout the next chunk starts; ``at`` counts from the start of that part."""

    part: str
    at: int = 0


_WORDS = _Place("words")


@dataclass(slots=True)
class MappedRamDecoder:
    """Decodes the payloads of the ``ram`` section of a mapped-ram file (one per section id).

    ``base`` is what the file's own offsets add to the reader's: ``file:path,offset=N`` writes absolute
    positions. None: taken from the first header, whose bitmap always lies right behind it.
    """

    grammar: Grammar = PLAIN
    base: int | None = None
    blocks: list[Block] = field(default_factory=list)
    """Every block so far, with its header: what `read_pages` needs."""
    empty: Holes = holes.NONE
    """Where the input is known to be zero, in the reader's offsets."""
    stable: bool = False
    """The views given to `decode` outlive it (a mapped file), so that pieces may keep them instead of a copy."""
    wanted: int = 8
    _place: _Place = field(default=_WORDS, init=False)
    _remaining: int = field(default=0, init=False)
    _bitmap: bytearray = field(default_factory=bytearray, init=False)

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        try:
            if self._place.part == "words":
                return self._words(data, offset)
            if self._place.part == "entry":
                return self._entry(data, 0, self._remaining, None, offset)
        except Incomplete as short:
            self.wanted = short.wanted
            return None
        return self._piece(data, offset)

    def _words(self, data: memoryview, offset: int) -> Decoded:
        size_mask = self.grammar.page_size - 1
        if len(data) < 8:
            raise Incomplete(8)
        word = int.from_bytes(data[:8], "big")
        flags = word & size_mask
        if flags & _REFUSED:
            # qemu: migration/ram.c:ram_load_precopy
            raise StreamError(
                f"Unexpected RAM flags: {flags & _REFUSED}",
                expected="no pages between the words of a mapped-ram file",
                got=f"{flags:#x}",
            )
        if flags == MEM_SIZE:
            total = word - flags
            if not total:
                return Decoded(8, RamWords(bytes(data[:8]), 1, None, self.grammar), False)
            return self._entry(data, 8, total, total, offset)
        value, end = read_word(data, 0, None, self.grammar, {})
        chunk = RamWords(bytes(data[:end]), 1, None, self.grammar)
        return Decoded(end, chunk, isinstance(value, EndOfSection))

    def _entry(self, data: memoryview, position: int, remaining: int, total: int | None, offset: int) -> Decoded:
        blocks = self.blocks if total is None else []
        if len(blocks) == MAX_BLOCKS:
            raise StreamError("Too many RAM blocks", offset=position, expected=f"at most {MAX_BLOCKS}")
        name, position, used_length = read_block_head(data, position, remaining)
        gpa: int | None = None
        if self.grammar.ignore_shared:
            if len(data) < position + 8:
                raise Incomplete(position + 8)
            gpa = int.from_bytes(data[position : position + 8], "big")
            position += 8
        if len(data) < position + MappedHeader.SIZE:
            raise Incomplete(position + MappedHeader.SIZE)
        header = MappedHeader.decode(data, position)
        behind = position + MappedHeader.SIZE
        base = self._check(header, position, name, used_length, offset + behind)
        block = Block(name, used_length, None, gpa, header)
        self.base = base
        self.blocks = [*blocks, block]
        self._remaining = remaining - used_length
        self._bitmap = bytearray()
        self._advance("entry", 0)
        return Decoded(behind, MappedEntry(block, total, self.grammar.page_size), False)

    def _check(self, header: MappedHeader, position: int, name: str, used_length: int, here: int) -> int:
        """Whether the header fits its place; returns the base of the file's offsets."""
        if header.version > MAPPED_RAM_VERSION:
            raise StreamError(
                "Migration mapped-ram capability version not supported "
                f"(expected <= {MAPPED_RAM_VERSION}, got {header.version})",
                offset=position,
                field=name,
            )
        if not MIN_PAGE <= header.page_size <= MAX_PAGE or header.page_size & (header.page_size - 1):
            raise StreamError(
                f"Migration mapped-ram header has invalid page_size {header.page_size}",
                offset=position + 4,
                field=name,
                expected=f"a power of two of {MIN_PAGE} to {MAX_PAGE}",
                got=header.page_size,
            )
        base = header.bitmap_offset - here if self.base is None else self.base
        if base < 0 or header.bitmap_offset != here + base:
            raise StreamError(
                f"Error reading bitmap of {name}",
                offset=position + 12,
                field=f"{name}/bitmap_offset",
                expected=f"{here + max(base, 0):#x}, right behind the header",
                got=f"{header.bitmap_offset:#x}",
            )
        size = bitmap_size(used_length, header.page_size)
        if size > MAX_BITMAP:
            raise StreamError(
                f"Error reading bitmap of {name}",
                offset=position,
                field=f"{name}/used_length",
                expected=f"a bitmap of at most {MAX_BITMAP} bytes",
                got=size,
            )
        if not header.bitmap_offset + size <= header.pages_offset <= _OFFSET_MAX - used_length:
            raise StreamError(
                f"Error reading ramblock {name} pages, region out of place",
                offset=position + 20,
                field=f"{name}/pages_offset",
                expected=f"at least {header.bitmap_offset + size:#x}, behind the bitmap",
                got=f"{header.pages_offset:#x}",
            )
        return base

    def _piece(self, data: memoryview, offset: int) -> Decoded | None:
        """The next chunk of the bitmap, the gap or the pages of the last block."""
        part, at = self._place.part, self._place.at
        block = self.blocks[-1]
        size = min(_sizes(block)[part] - at, PIECE)
        if len(data) < size:
            self.wanted = size
            return None
        piece = data[:size]
        empty = self.empty.cover(offset, offset + size)
        payload: Payload
        if part == "bitmap":
            self._bitmap += piece
            payload = MappedBitmap(block.name, bytes(piece))
        elif part == "gap":
            payload = MappedGap(size, () if empty else tuple(nonzero_runs(bytes(piece), 0)))
        else:
            payload = _split_pages(block, at, piece, self._bitmap, empty=empty, stable=self.stable)
        self._advance(part, at + size)
        return Decoded(size, payload, False)

    def _advance(self, part: str, at: int) -> None:
        """Go on behind ``at`` bytes of ``part``, over parts that are empty."""
        sizes = _sizes(self.blocks[-1])
        while at == sizes[part]:
            part, at = _NEXT[part], 0
            if part == "entry":
                self._bitmap = bytearray()
                self._place = _Place("entry") if self._remaining else _WORDS
                return
        self._place = _Place(part, at)


_NEXT = {"entry": "bitmap", "bitmap": "gap", "gap": "pages", "pages": "entry"}
"""The parts of a block, in the order of the file."""


def _sizes(block: Block) -> dict[str, int]:
    header = block.mapped
    assert header is not None
    bitmap = bitmap_size(block.used_length, header.page_size)
    gap = header.pages_offset - header.bitmap_offset - bitmap
    return {"entry": 0, "bitmap": bitmap, "gap": gap, "pages": block.used_length}


def bitmap_size(used_length: int, page_size: int) -> int:
    """Bytes of a block's bitmap: whole 64-bit words (qemu: migration/ram.c:mapped_ram_setup_ramblock)."""
    return (used_length // page_size + 63) // 64 * 8


def read_pages(file: bytes | memoryview, blocks: Iterable[Block], *, base: int = 0) -> Iterator[tuple[str, int, bytes]]:
    """(block, address in it, content) of every present page, read at its place in ``file``.

    ``base`` is where byte 0 of ``file`` lies in the offsets of the headers.
    """
    for block in blocks:
        header = _header(block)
        start = header.bitmap_offset - base
        bits = _range(file, start, bitmap_size(block.used_length, header.page_size), block)
        for number in MappedBitmap(block.name, bits).pages():
            address = number * header.page_size
            if address + header.page_size > block.used_length:
                break
            place = header.pages_offset - base + address
            yield block.name, address, _range(file, place, header.page_size, block)


def read_page(file: bytes | memoryview, block: Block, address: int, *, base: int = 0) -> bytes:
    """The page that holds ``address`` of ``block``: zeros when the file has none there."""
    header = _header(block)
    number = address // header.page_size
    if address < 0 or (number + 1) * header.page_size > block.used_length:
        raise StreamError(
            f"Illegal RAM offset {address:x}",
            field=block.name,
            expected=f"a page inside {block.used_length:#x} bytes",
            got=f"{address:#x}",
        )
    byte = _range(file, header.bitmap_offset - base + number // 8, 1, block)[0]
    if not byte >> number % 8 & 1:
        return bytes(header.page_size)
    return _range(file, header.pages_offset - base + number * header.page_size, header.page_size, block)


def _header(block: Block) -> MappedHeader:
    if block.mapped is None or not MIN_PAGE <= block.mapped.page_size <= MAX_PAGE:
        raise StreamError("Could not read whole mapped-ram migration header", field=block.name)
    return block.mapped


def _range(file: bytes | memoryview, start: int, size: int, block: Block) -> bytes:
    if start < 0 or start + size > len(file):
        raise StreamError(
            f"Error reading ramblock {block.name} pages",
            offset=max(start, 0),
            field=block.name,
            expected=f"{size} bytes",
            got=max(0, len(file) - max(start, 0)),
        )
    return bytes(file[start : start + size])


def _split_pages(
    block: Block, at: int, piece: memoryview, bitmap: bytearray, *, empty: bool, stable: bool
) -> MappedPages:
    """``empty``: nothing but zeros is in ``piece``."""
    page_size = _header(block).page_size
    first = at // page_size
    pages = len(piece) // page_size
    # PIECE is a multiple of 8 pages of every size that MAX_PAGE allows: a chunk starts a byte of bits.
    present = bytearray(bitmap[first // 8 : (first + pages + 7) // 8])
    if pages % 8:
        present[-1] &= (1 << pages % 8) - 1
    if empty and not any(present):
        return MappedPages(block.name, at, len(piece), page_size, bytes(present), b"")
    data: list[memoryview] = []
    extra: list[tuple[int, bytes]] = []
    hole_start = 0
    for number in MappedBitmap(block.name, bytes(present)).pages():
        start = number * page_size
        extra += nonzero_runs(bytes(piece[hole_start:start]), hole_start)
        hole_start = start + page_size
        data.append(piece[start:hole_start])
    extra += nonzero_runs(bytes(piece[hole_start:]), hole_start)
    if stable and data:
        return MappedPages(block.name, at, len(piece), page_size, bytes(present), piece, tuple(extra), whole=True)
    return MappedPages(block.name, at, len(piece), page_size, bytes(present), b"".join(data), tuple(extra))
