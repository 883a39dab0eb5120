"""The RAM of a mapped-ram file as words that a socket can carry.

A file has a place for every page, a socket has none (qemu: migration/options.c refuses mapped-ram there), so the START
becomes a plain block list and the pages become PAGE and ZERO words. Knows the pieces of the file and words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vnetmig.stream.mapped_pieces import MappedEntry, MappedPages
from vnetmig.stream.payload import Payload
from vnetmig.stream.ram_words import PAGE_SIZE, BlockList, EndOfSection, Page, Word, Zero, encode_words


def is_mapped(payloads: Sequence[Payload]) -> bool:
    return any(isinstance(payload, MappedEntry) for payload in payloads)


def unmapped(payloads: Sequence[Payload]) -> tuple[bytes, bytes]:
    """(START, one PART) for the pieces of a mapped-ram START."""
    entries = [payload for payload in payloads if isinstance(payload, MappedEntry)]
    page_size = entries[0].page_size if entries else PAGE_SIZE
    blocks = tuple(replace(entry.block, mapped=None) for entry in entries)
    head = BlockList(sum(block.used_length for block in blocks), blocks)
    start = head.encode(page_size) + EndOfSection().encode(page_size)
    return start, encode_words((*_pages(payloads), EndOfSection()), page_size)


def _pages(payloads: Sequence[Payload]) -> Iterator[Word]:
    block: str | None = None
    for piece in payloads:
        if not isinstance(piece, MappedPages):
            continue
        present = dict(piece.pages())
        for address in range(piece.address, piece.address + piece.size, piece.page_size):
            named, block = piece.block != block, piece.block
            page = present.get(address)
            if page is None:
                yield Zero(block, address, 0, named)
            else:
                yield Page(block, address, page, named)
