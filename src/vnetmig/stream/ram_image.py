"""RAM blocks as a stream leaves them: words applied in order, the later copy of a page wins.

Knows blocks and addresses inside them. Where in the guest a block lies is guest_memory.py's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.stream.mapped_pieces import MappedEntry, MappedPages
from vnetmig.stream.payload import Payload
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import PAGE_SIZE, Block, BlockList, CompressedPage, Page, Word, Xbzrle, Zero
from vnetmig.stream.xbzrle import xbzrle_apply

_NO_PAGES: Final[Mapping[int, bytes]] = {}
_BEHIND: Final = 1 << 64


@dataclass(slots=True)
class RamImage:
    """``blocks`` by name, in the stream's order; ``pages`` by block and address: only what was sent.

    ``page_size`` is that of the words; ``page_sizes`` has the blocks of a mapped-ram file, which say
    theirs one by one. ``sparse``: parts of a mapped-ram file without any page are no ``pages``, but known to be zero.
    """

    page_size: int = PAGE_SIZE
    page_sizes: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    pages: dict[str, dict[int, bytes]] = field(default_factory=dict)
    sparse: bool = False
    _zero: bytes = field(default=bytes(PAGE_SIZE), init=False)
    _empty: dict[str, list[tuple[int, int]]] = field(default_factory=dict, init=False)
    """By block: (first, behind the last) address of what is known to be zero, in order."""

    def apply(self, word: Word) -> None:
        """What QEMU's loader does with one word (qemu: migration/ram.c:ram_load_precopy)."""
        if isinstance(word, Page):
            self.put(word.block, word.address, word.data)
        elif isinstance(word, Zero):
            self.put(word.block, word.address, self._filled(word.fill))
        elif isinstance(word, Xbzrle):
            previous = self.page(word.block, word.address)
            if previous is None:
                raise StreamError(
                    "Failed to load XBZRLE page - decode error!",
                    field=f"{word.block}/{word.address:#x}",
                    expected="a page that was sent before",
                    got="its first delta",
                )
            self.put(word.block, word.address, xbzrle_apply(previous, word.data))
        elif isinstance(word, CompressedPage):
            self.put(word.block, word.address, word.page(self.page_size))
        elif isinstance(word, BlockList):
            self.blocks.update((block.name, block) for block in word.blocks)

    def apply_payload(self, payload: Payload) -> None:
        """Apply a chunk of a ``ram`` section; chunks without pages are passed over."""
        if isinstance(payload, RamWords):
            self.page_size = payload.grammar.page_size
            for word in payload.words():
                self.apply(word)
        elif isinstance(payload, MappedEntry):
            self.blocks[payload.block.name] = payload.block
        elif isinstance(payload, MappedPages):
            self._apply_mapped(payload)

    def apply_pages(self, pages: Iterable[tuple[str, int, bytes]]) -> None:
        """Put pages that came another way, as multifd channels bring them: (block, address, content)."""
        for block, address, data in pages:
            self.put(block, address, data)

    def put(self, block: str, address: int, data: bytes) -> None:
        pages = self.pages.get(block)
        if pages is None:
            pages = self.pages[block] = {}
        pages[address] = data

    def page(self, block: str, address: int) -> bytes | None:
        """The page at ``address`` of ``block``; None when none was sent."""
        page = self.pages.get(block, _NO_PAGES).get(address)
        if page is None and self._is_empty(block, address):
            return self._filled(0, self.page_sizes[block])
        return page

    def known(self) -> int:
        """Pages that `page` has an answer to."""
        empty = sum(
            (end - start) // self.page_sizes[name] for name, spans in self._empty.items() for start, end in spans
        )
        return empty + sum(map(len, self.pages.values()))

    def read(self, block: str, address: int, length: int) -> bytes | None:
        """``length`` bytes at ``address`` of ``block``; None when any of them was not sent."""
        size = self.page_sizes.get(block, self.page_size)
        parts: list[bytes] = []
        at = address
        while at < address + length:
            page = self.page(block, at - at % size)
            if page is None or len(page) != size:
                return None
            start = at % size
            parts.append(page[start : start + address + length - at])
            at += len(parts[-1])
        return b"".join(parts)

    def _apply_mapped(self, piece: MappedPages) -> None:
        # Absent pages are zero pages here, not unknown ones: the file has a place for every page.
        size = self.page_sizes[piece.block] = piece.page_size
        if self.sparse and not any(piece.present):
            self._add_empty(piece.block, piece.address, piece.address + piece.size - piece.size % size)
            return
        zero = self._filled(0, size)
        present = dict(piece.pages())
        for address in range(piece.address, piece.address + piece.size - size + 1, size):
            self.put(piece.block, address, present.get(address, zero))

    def _add_empty(self, block: str, start: int, end: int) -> None:
        spans = self._empty.setdefault(block, [])
        if spans and spans[-1][1] == start:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))

    def _is_empty(self, block: str, address: int) -> bool:
        spans = self._empty.get(block, [])
        at = bisect_right(spans, (address, _BEHIND)) - 1
        return at >= 0 and address < spans[at][1] and address % self.page_sizes[block] == 0

    def _filled(self, fill: int, size: int | None = None) -> bytes:
        size = self.page_size if size is None else size
        if fill:
            return bytes((fill,)) * size
        if len(self._zero) != size:
            self._zero = bytes(size)
        return self._zero
