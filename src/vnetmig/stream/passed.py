"""Payloads that are passed over as they come: counted, never kept, never copied.

For those who stand beside a migration and look on: whatever the guest's size, a decoder of this module holds a few
bytes. Knows words of RAM and footers; must not know who is watching. What was passed over cannot be written again.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field
from typing import NoReturn

from vnetmig.engine import get
from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.ending import Surroundings, footer_mark
from vnetmig.stream.payload import Decoded, Ends
from vnetmig.stream.ram import highest_address
from vnetmig.stream.ram_read import PLAIN, Grammar, Incomplete, read_flags, read_word
from vnetmig.stream.ram_words import (
    CONTINUE,
    PAGE,
    Block,
    BlockList,
    CompressedPage,
    EndOfSection,
    Page,
    Xbzrle,
    Zero,
    pages_and_zeros,
)

_WORD_SIZE = 8
_ALL = 1 << 62


def _gone() -> NoReturn:
    raise EncodeError("a payload that was passed over was not kept: it cannot be written")


@dataclass(frozen=True, slots=True)
class Passed:
    """``size`` bytes of a payload that nobody looked into."""

    size: int

    def encode(self) -> bytes:
        _gone()


@dataclass(frozen=True, slots=True)
class RamPassed:
    """What was in a stretch of RAM. A page counts when its address has come, whether or not its content has.

    ``encoded``: xbzrle and compressed pages; ``blocks``: the block list, in the stretch that holds it.
    """

    pages: int = 0
    zero_pages: int = 0
    encoded: int = 0
    blocks: tuple[Block, ...] = ()

    def encode(self) -> bytes:
        _gone()


@dataclass(slots=True)
class RamPasser:
    """Decodes as ``RamDecoder`` does, into counts. Checks addresses against the block list, not contents."""

    grammar: Grammar = PLAIN
    wanted: int = _WORD_SIZE
    _block: str | None = None
    _blocks: dict[str, Block] = field(default_factory=dict)
    _owed: int = 0
    """Bytes of the last page that have not come yet."""

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        position = min(self._owed, len(data))
        self._owed -= position
        count = _Count()
        last = False
        try:
            while not last and not self._owed:
                position, goes_on = self._scan(data, position, count)
                if goes_on:
                    break
                word, position = read_word(data, position, self._block, self.grammar, self._blocks)
                last = isinstance(word, EndOfSection)
                if isinstance(word, BlockList):
                    self._blocks = {entry.name: entry for entry in word.blocks}
                    count.blocks = word.blocks
                elif isinstance(word, (Page, Zero, Xbzrle, CompressedPage)):
                    self._block = word.block
                    count.pages += isinstance(word, Page)
                    count.zero_pages += isinstance(word, Zero)
                    count.encoded += isinstance(word, (Xbzrle, CompressedPage))
        except Incomplete as short:
            self.wanted = short.wanted - position
        except StreamError:
            # What came before the fault counts, however the bytes arrived; the fault is found again right behind it.
            if not position:
                raise
        if not position:
            self.wanted = max(self.wanted, 1)
            return None
        return Decoded(position, count.passed(), last)

    def _scan(self, data: memoryview, start: int, count: _Count) -> tuple[int, bool]:
        """(over pages of one block up to where, the content of the last one goes on behind ``data``)"""
        page_size = self.grammar.page_size
        highest = highest_address(self._block, self._blocks, page_size)
        position, words, needs = get().scan_ram(data, start, _ALL, page_size, highest)
        pages, zeros = pages_and_zeros(position - start, words, page_size)
        count.pages += pages
        count.zero_pages += zeros
        have = len(data)
        if needs and have - position >= _WORD_SIZE:
            word, flags = read_flags(data, position, page_size - 1)
            if flags == PAGE | CONTINUE and word - flags <= highest:
                count.pages += 1
                self._owed = position + _WORD_SIZE + page_size - have
                return have, True
        return position, False


@dataclass(slots=True)
class _Count:
    pages: int = 0
    zero_pages: int = 0
    encoded: int = 0
    blocks: tuple[Block, ...] = ()

    def passed(self) -> RamPassed:
        return RamPassed(self.pages, self.zero_pages, self.encoded, self.blocks)


class Passer:
    """Passes over a payload that nothing describes, up to the section's own footer behind which a stream can go on.

    ``live``: the section ids that a PART or END may name. Only for streams with footers.
    """

    def __init__(self, section_id: int, live: Container[int]) -> None:
        self.wanted = 1
        self._mark = footer_mark(section_id)
        self._search = re.compile(re.escape(self._mark)).search  # it looks into a view without copying it
        self._live = live

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        around = Surroundings(final, self._live, package=False)
        at = 0
        while (found := self._search(data, at)) is not None:
            at = found.start()
            fits = around.plausible(data, found.end())
            if fits:
                return Decoded(at, Passed(at))
            if fits is None:
                return self._part(at, len(data))
            at += 1
        return self._part(len(data) - self._begun(data), len(data))

    def _part(self, size: int, have: int) -> Decoded | None:
        if size:
            return Decoded(size, Passed(size), last=False)
        self.wanted = have + 1
        return None

    def _begun(self, data: memoryview) -> int:
        """Bytes at the end of ``data`` that may be the beginning of the footer."""
        mark = self._mark
        tail = bytes(data[-len(mark) + 1 :])
        return next((size for size in range(len(tail), 0, -1) if mark.startswith(tail[-size:])), 0)
