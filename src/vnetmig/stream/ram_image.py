"""RAM blocks as a stream leaves them: words applied in order, the later copy of a page wins.

Knows blocks and addresses inside them. Where in the guest a block lies is guest_memory.py's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vnetmig.errors import StreamError
from vnetmig.stream.mapped_pieces import MappedEntry, MappedPages
from vnetmig.stream.payload import Payload
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import PAGE_SIZE, Block, BlockList, CompressedPage, Page, Word, Xbzrle, Zero
from vnetmig.stream.xbzrle import xbzrle_apply


@dataclass(slots=True)
class RamImage:
    """``blocks`` by name, in the stream's order; ``pages`` by block and address: only what was sent.

    ``page_size`` is that of the words; ``page_sizes`` has the blocks of a mapped-ram file, which say
    theirs one by one.
    """

    page_size: int = PAGE_SIZE
    page_sizes: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    pages: dict[str, dict[int, bytes]] = field(default_factory=dict)
    _zero: bytes = field(default=bytes(PAGE_SIZE), init=False)

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
        pages = self.pages.get(block)
        return None if pages is None else pages.get(address)

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
        zero = self._filled(0, size)
        present = dict(piece.pages())
        for address in range(piece.address, piece.address + piece.size - size + 1, size):
            self.put(piece.block, address, present.get(address, zero))

    def _filled(self, fill: int, size: int | None = None) -> bytes:
        size = self.page_size if size is None else size
        if fill:
            return bytes((fill,)) * size
        if len(self._zero) != size:
            self._zero = bytes(size)
        return self._zero
