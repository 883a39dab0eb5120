"""Reading one word of the ``ram`` section: what stands behind it, and when that cannot be.

Knows the bytes of every word and what earlier parts of a stream change about them (`Grammar`). Keeps
nothing between two words: the block of the page before and the block list are arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from vnetmig.errors import StreamError
from vnetmig.stream.ram_words import (
    CONTINUE,
    EOS,
    HOOK,
    MEM_SIZE,
    MULTIFD_FLUSH,
    NAME_ENCODING,
    NAME_ERRORS,
    PAGE,
    PAGE_KINDS,
    PAGE_SIZE,
    XBZRLE,
    ZERO,
    Block,
    BlockList,
    CompressedPage,
    EndOfSection,
    Hook,
    MultifdFlush,
    Page,
    PageWord,
    Word,
    Xbzrle,
    Zero,
    compress_bound,
    flags_text,
)

MAX_BLOCKS = 16384
"""More RAM blocks than any machine has (QEMU's memory listeners stop at 32-bit slots far earlier)."""

ENCODING_XBZRLE = 1
"""qemu: migration/ram.c:ENCODING_FLAG_XBZRLE"""

_U64 = struct.Struct(">Q")
_U32 = struct.Struct(">I")
_XBZRLE_HEADER = struct.Struct(">BH")


class Incomplete(Exception):
    """A word goes on behind the data: ``wanted`` bytes are the least that could hold it.

    For decoders of this layer among themselves; no reader lets it out.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__(wanted)
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the stream said earlier about how its words look (qemu: migration/ram.c:ram_save_setup).

    ``ignore_shared`` (capability x-ignore-shared): the block list carries guest addresses. ``postcopy``
    (a POSTCOPY_ADVISE command with page sizes came): it may carry page sizes.
    """

    page_size: int = PAGE_SIZE
    ignore_shared: bool = False
    postcopy: bool = False


PLAIN = Grammar()
"""The grammar of a stream without any of these capabilities."""


def read_word(
    data: bytes | memoryview,
    position: int,
    block: str | None,
    grammar: Grammar,
    blocks: Mapping[str, Block] | None,
) -> tuple[Word, int]:
    """The word at ``position`` and where it ends; ``block`` is that of the page before.

    With ``blocks`` every page must lie inside one of them. Raises `Incomplete` where data ends too soon.
    """
    page_size = grammar.page_size
    word, flags = read_flags(data, position, page_size - 1)
    address = word - flags
    kind = flags & ~CONTINUE
    if kind & PAGE_KINDS and kind & (kind - 1) == 0:
        return _read_page(data, position, address, flags, block, page_size, blocks)
    if flags == MEM_SIZE:
        return read_block_list(data, position, address, grammar)
    if flags == EOS:
        return EndOfSection(address), position + 8
    if flags == MULTIFD_FLUSH:
        return MultifdFlush(address), position + 8
    if flags == HOOK:
        return Hook(address), position + 8
    raise StreamError(
        f"Unknown combination of migration flags: {flags:#x}",
        offset=position,
        expected="one kind of word",
        got=f"{word:#018x} ({flags_text(flags)})",
    )


def _read_page(
    data: bytes | memoryview,
    start: int,
    address: int,
    flags: int,
    block: str | None,
    page_size: int,
    blocks: Mapping[str, Block] | None,
) -> tuple[PageWord, int]:
    position = start + 8
    named = not flags & CONTINUE
    kind = flags & ~CONTINUE
    if named:
        block, position = read_name(data, position)
    if block is None:
        raise StreamError(
            "Ack, bad migration stream!",
            offset=start,
            expected="a page that names its block",
            got=flags_text(flags),
        )
    if blocks is not None:
        _check_address(start, block, address, page_size, blocks)
    where = f"{block}/{address:#x}"
    if kind == PAGE:
        raw, position = _take(data, position, page_size)
        return Page(block, address, raw, named), position
    if kind == ZERO:
        raw, position = _take(data, position, 1)
        return Zero(block, address, raw[0], named), position
    if kind == XBZRLE:
        head, position = _take(data, position, _XBZRLE_HEADER.size)
        encoding, length = _XBZRLE_HEADER.unpack(head)
        if encoding != ENCODING_XBZRLE:
            raise StreamError(
                "Failed to load XBZRLE page - wrong compression!",
                offset=position - 3,
                field=where,
                expected=ENCODING_XBZRLE,
                got=encoding,
            )
        if length > page_size:
            raise StreamError(
                "Failed to load XBZRLE page - len overflow!",
                offset=position - 2,
                field=where,
                expected=f"at most {page_size}",
                got=length,
            )
        raw, position = _take(data, position, length)
        return Xbzrle(block, address, encoding, raw, named), position
    head, position = _take(data, position, 4)
    (length,) = _U32.unpack(head)
    if length > compress_bound(page_size):
        signed = length - (1 << 32) if length >> 31 else length
        raise StreamError(
            f"Invalid compressed data length: {signed}",
            offset=position - 4,
            field=where,
            expected=f"at most {compress_bound(page_size)}",
            got=length,
        )
    raw, position = _take(data, position, length)
    return CompressedPage(block, address, raw, named), position


def read_block_list(data: bytes | memoryview, start: int, total: int, grammar: Grammar) -> tuple[BlockList, int]:
    """The list behind a MEM_SIZE word at ``start`` (qemu: migration/ram.c:parse_ramblocks)."""
    position = start + 8
    remaining = total
    blocks: list[Block] = []
    while remaining:
        if len(blocks) == MAX_BLOCKS:
            raise StreamError("Too many RAM blocks", offset=position, expected=f"at most {MAX_BLOCKS}")
        block, position = _read_block(data, position, remaining, grammar)
        blocks.append(block)
        remaining -= block.used_length
    return BlockList(total, tuple(blocks)), position


def _read_block(data: bytes | memoryview, position: int, remaining: int, grammar: Grammar) -> tuple[Block, int]:
    name, position, used_length = read_block_head(data, position, remaining)
    page_size: int | None = None
    if grammar.postcopy and _page_size_follows(data, position, used_length == remaining, grammar):
        page_size, position = _read_u64(data, position)
        if page_size <= grammar.page_size or page_size & (page_size - 1):
            raise StreamError(
                f"Mismatched RAM page size {name}",
                offset=position - 8,
                expected=f"a power of two above {grammar.page_size}",
                got=page_size,
            )
    gpa: int | None = None
    if grammar.ignore_shared:
        gpa, position = _read_u64(data, position)
    return Block(name, used_length, page_size, gpa), position


def read_block_head(data: bytes | memoryview, position: int, remaining: int) -> tuple[str, int, int]:
    """Name, position behind, used length: the part of a block's entry that every kind of stream has."""
    name, position = read_name(data, position)
    used_length, position = _read_u64(data, position)
    if used_length > remaining:
        raise StreamError(
            "The RAM blocks are longer than their sum",
            offset=position - 8,
            field=f"{name}/used_length",
            expected=f"at most {remaining:#x}",
            got=f"{used_length:#x}",
        )
    return name, position, used_length


def _page_size_follows(data: bytes | memoryview, position: int, last: bool, grammar: Grammar) -> bool:
    """Only blocks of huge pages carry their page size, and nothing says which blocks those are.

    So look at what would follow without it. Another block: its name has a length above 0, and both a
    page size and a guest address start with a zero byte. A word (behind the last block): it has a flag
    set, and page sizes and guest addresses are whole pages.
    """
    if grammar.ignore_shared:
        _read_u64(data, position)
        position += 8
    if not last:
        return _take(data, position, 1)[0][0] == 0
    word, _ = _read_u64(data, position)
    return word & (grammar.page_size - 1) == 0


def read_name(data: bytes | memoryview, position: int) -> tuple[str, int]:
    """A block name: one length byte and that many bytes."""
    raw, behind = _take(data, position, 1)
    if raw[0] == 0:
        raise StreamError('Unknown ramblock ""', offset=position, expected="a name of 1 to 255 bytes", got=0)
    name, behind = _take(data, behind, raw[0])
    return name.decode(NAME_ENCODING, NAME_ERRORS), behind


def _check_address(offset: int, block: str, address: int, page_size: int, blocks: Mapping[str, Block]) -> None:
    entry = blocks.get(block)
    if entry is None:
        raise StreamError(
            f"Can't find block {block}", offset=offset, expected="a name of the block list", got=repr(block)
        )
    if address + page_size > entry.used_length:
        raise StreamError(
            f"Illegal RAM offset {address:x}",
            offset=offset,
            field=block,
            expected=f"a page inside {entry.used_length:#x} bytes",
            got=f"{address:#x}",
        )


def read_flags(data: bytes | memoryview, position: int, mask: int) -> tuple[int, int]:
    """A word with its flags, and the flags alone."""
    word, _ = _read_u64(data, position)
    return word, word & mask


def _read_u64(data: bytes | memoryview, position: int) -> tuple[int, int]:
    behind = position + 8
    if behind > len(data):
        raise Incomplete(behind)
    return int(_U64.unpack_from(data, position)[0]), behind


def _take(data: bytes | memoryview, position: int, size: int) -> tuple[bytes, int]:
    behind = position + size
    if behind > len(data):
        raise Incomplete(behind)
    return bytes(data[position:behind]), behind
