"""The words of the ``ram`` section: what each one is as a value, and how it is written.

Knows the flags (`FLAGS`, the table to read first) and the value classes; turning bytes into these
values is ram.py's task. Does not know sections, guest memory or which page lies where in the guest.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from vnetmig.errors import EncodeError, StreamError

PAGE_SIZE = 4096
"""The target page size of x86: flags are the bits of a word below it."""

NAME_ENCODING = "utf-8"
NAME_ERRORS = "surrogateescape"
"""Names are bytes on the wire; this pair turns any of them into text and back unchanged."""

# qemu: migration/ram.c:RAM_SAVE_FLAG_*
FULL = 0x001
ZERO = 0x002
MEM_SIZE = 0x004
PAGE = 0x008
EOS = 0x010
CONTINUE = 0x020
XBZRLE = 0x040
HOOK = 0x080
COMPRESS_PAGE = 0x100
MULTIFD_FLUSH = 0x200


@dataclass(frozen=True, slots=True)
class Flag:
    """One row of `FLAGS`: ``follows`` is what comes behind the word, [name] only without CONTINUE."""

    bit: int
    name: str
    follows: str
    remark: str = ""


FLAGS: tuple[Flag, ...] = (
    Flag(FULL, "FULL", "", "obsolete, refused"),
    Flag(ZERO, "ZERO", "[name] u8 fill", "fill is 0; QEMU <= 7.2 loads any"),
    Flag(MEM_SIZE, "MEM_SIZE", "block list", "the word's address is the sum of the block lengths"),
    Flag(PAGE, "PAGE", "[name] bytes[page]"),
    Flag(EOS, "EOS", "", "ends the payload of this section"),
    Flag(CONTINUE, "CONTINUE", "", "modifier: same block as the page before, no name"),
    Flag(XBZRLE, "XBZRLE", "[name] u8 1, u16 length, bytes[length]", "a delta onto the page's last content"),
    Flag(HOOK, "HOOK", "", "RDMA: what belongs to it is not in the stream"),
    Flag(COMPRESS_PAGE, "COMPRESS_PAGE", "[name] u32 length, bytes[length]", "QEMU <= 9.0: one zlib stream"),
    Flag(MULTIFD_FLUSH, "MULTIFD_FLUSH", "", "QEMU >= 8.1: a SYNC packet on every channel"),
)

FLAG_NAMES: dict[int, str] = {flag.bit: flag.name for flag in FLAGS}
PAGE_KINDS = ZERO | PAGE | XBZRLE | COMPRESS_PAGE
"""The kinds that carry a block name or CONTINUE."""

_U64 = struct.Struct(">Q")
_U32 = struct.Struct(">I")
_XBZRLE_HEADER = struct.Struct(">BH")
_MAPPED_HEADER = struct.Struct(">IQQQ")
_U64_MAX = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class MappedHeader:
    """Where a block lies in a mapped-ram file (qemu: migration/ram.c:MappedRamHeader)."""

    version: int
    page_size: int
    bitmap_offset: int
    pages_offset: int

    SIZE = _MAPPED_HEADER.size

    def encode(self) -> bytes:
        try:
            return _MAPPED_HEADER.pack(self.version, self.page_size, self.bitmap_offset, self.pages_offset)
        except struct.error as error:
            raise EncodeError(f"mapped-ram header: {error}") from None

    @classmethod
    def decode(cls, data: bytes | memoryview, position: int) -> MappedHeader:
        return cls(*_MAPPED_HEADER.unpack_from(data, position))


@dataclass(frozen=True, slots=True)
class Block:
    """One RAM block as the block list names it (qemu: migration/ram.c:ram_save_setup).

    ``page_size`` is there with postcopy for huge-page blocks, ``gpa`` with x-ignore-shared,
    ``mapped`` with mapped-ram.
    """

    name: str
    used_length: int
    page_size: int | None = None
    gpa: int | None = None
    mapped: MappedHeader | None = None

    def encode(self) -> bytes:
        parts = [encode_name(self.name), _u64(self.used_length, "used_length")]
        if self.page_size is not None:
            parts.append(_u64(self.page_size, "page_size"))
        if self.gpa is not None:
            parts.append(_u64(self.gpa, "gpa"))
        if self.mapped is not None:
            parts.append(self.mapped.encode())
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class BlockList:
    """MEM_SIZE: every block of the guest's RAM; ``total`` is the sum of their used lengths."""

    total: int
    blocks: tuple[Block, ...]

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        head = _word(self.total, MEM_SIZE, page_size)
        return head + b"".join(block.encode() for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Page:
    """PAGE: the content of one page. ``named`` is False when the block is that of the page before."""

    block: str
    address: int
    data: bytes
    named: bool

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        if len(self.data) != page_size:
            raise EncodeError(f"{self.block}/{self.address:#x}: {len(self.data)} bytes, not a page")
        return _head(self.block, self.address, PAGE, self.named, page_size) + self.data


@dataclass(frozen=True, slots=True)
class Zero:
    """ZERO: a page filled with ``fill``."""

    block: str
    address: int
    fill: int
    named: bool

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        if not 0 <= self.fill <= 0xFF:
            raise EncodeError(f"{self.block}/{self.address:#x}: fill {self.fill} is not a byte")
        return _head(self.block, self.address, ZERO, self.named, page_size) + bytes((self.fill,))


@dataclass(frozen=True, slots=True)
class Xbzrle:
    """XBZRLE: what changed in a page that was sent before (see `vnetmig.stream.xbzrle`)."""

    block: str
    address: int
    encoding: int
    data: bytes
    named: bool

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        if not (0 <= self.encoding <= 0xFF and len(self.data) <= min(page_size, 0xFFFF)):
            raise EncodeError(f"{self.block}/{self.address:#x}: XBZRLE data of {len(self.data)} bytes")
        head = _head(self.block, self.address, XBZRLE, self.named, page_size)
        return head + _XBZRLE_HEADER.pack(self.encoding, len(self.data)) + self.data


@dataclass(frozen=True, slots=True)
class CompressedPage:
    """COMPRESS_PAGE: one zlib stream that inflates to the page."""

    block: str
    address: int
    data: bytes
    named: bool

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        if len(self.data) > compress_bound(page_size):
            raise EncodeError(f"{self.block}/{self.address:#x}: compressed data of {len(self.data)} bytes")
        head = _head(self.block, self.address, COMPRESS_PAGE, self.named, page_size)
        return head + _U32.pack(len(self.data)) + self.data

    def page(self, page_size: int = PAGE_SIZE) -> bytes:
        """The page itself; never inflates more than ``page_size`` bytes."""
        where = f"{self.block}/{self.address:#x}"
        try:
            inflater = zlib.decompressobj()
            page = inflater.decompress(self.data, page_size + 1)
        except zlib.error as error:
            raise StreamError("decompress data failed", field=where, got=error) from None
        if len(page) != page_size:
            raise StreamError(
                "decompress data failed",
                field=where,
                expected=f"{page_size} bytes",
                got=f"{'more than ' if len(page) > page_size else ''}{min(len(page), page_size)}",
            )
        return page


@dataclass(frozen=True, slots=True)
class MultifdFlush:
    """MULTIFD_FLUSH: wait here for a SYNC packet on every multifd channel. ``address`` is 0 from QEMU."""

    address: int = 0

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        return _word(self.address, MULTIFD_FLUSH, page_size)


@dataclass(frozen=True, slots=True)
class Hook:
    """HOOK: RDMA registration. ``address`` is 0 from QEMU."""

    address: int = 0

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        return _word(self.address, HOOK, page_size)


@dataclass(frozen=True, slots=True)
class EndOfSection:
    """EOS: the last word of a payload. ``address`` is 0 from QEMU."""

    address: int = 0

    def encode(self, page_size: int = PAGE_SIZE) -> bytes:
        return _word(self.address, EOS, page_size)


PageWord = Page | Zero | Xbzrle | CompressedPage
Word = BlockList | Page | Zero | Xbzrle | CompressedPage | MultifdFlush | Hook | EndOfSection


def encode_words(words: Iterable[Word], page_size: int = PAGE_SIZE) -> bytes:
    """The bytes of ``words``, from their values alone."""
    return b"".join([word.encode(page_size) for word in words])


def pages_and_zeros(size: int, words: int, page_size: int) -> tuple[int, int]:
    """How many of ``words`` words in ``size`` bytes are pages, and how many zero pages, when none names its block."""
    zero_size = _U64.size + 1
    pages = (size - words * zero_size) // (_U64.size + page_size - zero_size)
    return pages, words - pages


def encode_name(name: str) -> bytes:
    """A counted string as block names are: one length byte, no terminator."""
    raw = name.encode(NAME_ENCODING, NAME_ERRORS)
    if not 0 < len(raw) <= 0xFF:
        raise EncodeError(f"block name of {len(raw)} bytes: 1 to 255 can be written")
    return bytes((len(raw),)) + raw


def compress_bound(page_size: int) -> int:
    """The most that zlib makes of a page (zlib: compress.c:compressBound), which is QEMU's limit too."""
    return page_size + (page_size >> 12) + (page_size >> 14) + (page_size >> 25) + 13


def flags_text(flags: int) -> str:
    """``ZERO|CONTINUE`` for 0x22; bits without a name stay a number."""
    names = [flag.name for flag in FLAGS if flags & flag.bit]
    rest = flags & ~sum(FLAG_NAMES)
    return "|".join(names + ([f"{rest:#x}"] if rest or not names else []))


def _head(block: str, address: int, kind: int, named: bool, page_size: int) -> bytes:
    if named:
        return _word(address, kind, page_size) + encode_name(block)
    return _word(address, kind | CONTINUE, page_size)


def _word(address: int, flags: int, page_size: int) -> bytes:
    if not 0 <= address <= _U64_MAX or address & (page_size - 1):
        raise EncodeError(f"address {address:#x} is not one of a page of {page_size} bytes")
    return _U64.pack(address | flags)


def _u64(value: int, field: str) -> bytes:
    if not 0 <= value <= _U64_MAX:
        raise EncodeError(f"{field} {value} does not fit 64 bits")
    return _U64.pack(value)
