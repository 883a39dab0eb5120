"""The payload of the ``ram`` section: a sequence of words, each an address with flags, until EOS.

Knows how to cut the payload into chunks, and what one word leaves behind for the next (the block of
the page before, across START, PARTs and END). Does not know sections, footers, guest memory or
mapped-ram files (mapped_ram.py). The table of the flags is in ram_words.py, their bytes in ram_read.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vnetmig.engine import get
from vnetmig.errors import StreamError
from vnetmig.stream.payload import Decoded, Ends
from vnetmig.stream.ram_read import PLAIN, Grammar, Incomplete, read_flags, read_word
from vnetmig.stream.ram_words import (
    CONTINUE,
    PAGE,
    ZERO,
    Block,
    BlockList,
    CompressedPage,
    EndOfSection,
    Page,
    Word,
    Xbzrle,
    Zero,
    encode_words,
    pages_and_zeros,
)

__all__ = ["CHUNK_WORDS", "PLAIN", "Grammar", "RamDecoder", "RamWords", "Tally", "highest_address"]

CHUNK_WORDS = 256
"""Words of one chunk: with pages about 1 MiB, so that memory stays flat however large the guest is."""

_NOWHERE = -(1 << 32)
_HIGHEST = 1 << 62
"""Bounds that a compiled scanner can hold in a signed 64-bit number, whatever a block list says."""


class Tally(NamedTuple):
    """Words of a chunk: pages and zero pages of the block of the page before, and the other words' classes."""

    pages: int = 0
    zeros: int = 0
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RamWords:
    """A chunk of the payload: ``count`` words in ``data``, decoded when asked.

    ``block`` is the block of the last page before the chunk. Two chunks of the same bytes are equal.
    """

    data: bytes | memoryview
    count: int
    block: str | None = None
    grammar: Grammar = PLAIN
    listed: BlockList | None = field(default=None, compare=False, repr=False)
    """The first word, if the decoder saw that it is a list: nobody need read it again."""
    tally: Tally | None = field(default=None, compare=False, repr=False)
    """What the decoder counted: who only wants to know how many need not touch the pages once more."""

    def block_list(self) -> BlockList | None:
        """The list of blocks that the chunk begins with."""
        if self.listed is not None:
            return self.listed
        first = next(self.words(), None)
        return first if isinstance(first, BlockList) else None

    def words(self) -> Iterator[Word]:
        """The words as values, in order."""
        data = self.data
        block = self.block
        page_size = self.grammar.page_size
        mask = page_size - 1
        end = len(data)
        position = 0
        while position < end:
            word, flags = read_flags(data, position, mask)
            if flags == PAGE | CONTINUE and block is not None and position + 8 + page_size <= end:
                start = position + 8
                position = start + page_size
                yield Page(block, word - flags, bytes(data[start:position]), False)
            elif flags == ZERO | CONTINUE and block is not None and position + 9 <= end:
                yield Zero(block, word - flags, data[position + 8], False)
                position += 9
            else:
                try:
                    value, position = read_word(data, position, block, self.grammar, None)
                except Incomplete as short:
                    raise StreamError(
                        "RAM words end inside a word", offset=position, expected=short.wanted, got=end
                    ) from None
                if isinstance(value, (Page, Zero, Xbzrle, CompressedPage)):
                    block = value.block
                yield value

    def encode(self) -> bytes:
        return encode_words(self.words(), self.grammar.page_size)

    def kinds(self) -> dict[str, int]:
        """How many words of each class: ``{"Zero": 244, "Page": 12}``."""
        if self.tally is None:
            return dict(Counter(type(word).__name__ for word in self.words()))
        pages, zeros, others = self.tally
        counts = Counter(others)
        counts.update(Page=pages, Zero=zeros)
        return {name: number for name, number in counts.items() if number}


@dataclass(slots=True)
class RamDecoder:
    """Decodes the payloads of one ``ram`` section id into chunks of `RamWords`.

    A chunk is CHUNK_WORDS words, or fewer when EOS ends the payload: chunks depend on the bytes alone,
    never on how they arrive. ``blocks`` None says that nobody knows the blocks (a postcopy-preempt
    channel read by itself): then names and addresses are not checked. ``stable`` says that the views
    given to `decode` outlive it (a mapped file), so that chunks may keep them instead of a copy.
    ``engine`` steps over the pages.
    """

    grammar: Grammar = PLAIN
    blocks: dict[str, Block] | None = field(default_factory=dict)
    stable: bool = False
    engine: str | None = field(default=None, compare=False)
    block: str | None = None
    """Name of the block of the last page so far."""
    wanted: int = 8
    _scanned: tuple[int, int, int, Tally] = field(default=(-1, 0, 0, Tally()), compare=False, repr=False)
    """(offset of the chunk, bytes of it, words in them, which) that the last call stepped over in vain: more bytes need
    not be looked at from the start."""

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        scan_ram = get(self.engine).scan_ram
        page_size = self.grammar.page_size
        block = self.block
        blocks = self.blocks
        highest = highest_address(block, blocks, page_size)
        at, position, count, (pages, zeros, others) = self._scanned
        if at != offset:
            position = count = pages = zeros = 0
            others = ()
        last = False
        listed: BlockList | None = None
        try:
            while not last:
                start = position
                position, stepped, needs = scan_ram(data, start, CHUNK_WORDS - count, page_size, highest)
                count += stepped
                of_pages, of_zeros = pages_and_zeros(position - start, stepped, page_size)
                pages, zeros = pages + of_pages, zeros + of_zeros
                if block == self.block and blocks is self.blocks:
                    self._scanned = offset, position, count, Tally(pages, zeros, others)
                if needs:
                    raise Incomplete(needs)
                if count == CHUNK_WORDS:
                    break
                word, position = read_word(data, position, block, self.grammar, blocks)
                count += 1
                others = (*others, type(word).__name__)
                if isinstance(word, (Page, Zero, Xbzrle, CompressedPage)):
                    if word.block != block:
                        block = word.block
                        highest = highest_address(block, blocks, page_size)
                elif isinstance(word, BlockList):
                    listed = word if count == 1 else None
                    blocks = {entry.name: entry for entry in word.blocks}
                    highest = highest_address(block, blocks, page_size)
                elif isinstance(word, EndOfSection):
                    last = True
        except Incomplete as short:
            self.wanted = short.wanted
            return None
        kept: bytes | memoryview = data[:position] if self.stable else bytes(data[:position])
        chunk = RamWords(kept, count, self.block, self.grammar, listed, Tally(pages, zeros, others))
        self.block = block
        self.blocks = blocks
        return Decoded(position, chunk, last)


def highest_address(block: str | None, blocks: Mapping[str, Block] | None, page_size: int) -> int:
    """Address of the block's last page: as far as the scanner may go without asking."""
    entry = blocks.get(block) if blocks is not None and block is not None else None
    if entry is not None and entry.used_length >= page_size:
        return min(entry.used_length - page_size, _HIGHEST)
    return _HIGHEST if blocks is None and block is not None else _NOWHERE
