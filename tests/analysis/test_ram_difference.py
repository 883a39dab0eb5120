"""RAM of two streams: pages that differ are counted, blocks that differ are a difference."""

from __future__ import annotations

import vnetmig
from vnetmig.analysis.diff import diff
from vnetmig.analysis.ram_difference import RamDifference, ram_difference
from vnetmig.document.stream import Stream
from vnetmig.stream.ram_words import PAGE_SIZE, Block, BlockList, EndOfSection, Page, Word, Xbzrle, Zero, encode_words
from vnetmig.stream.writer import StreamWriter

BLOCK = "pc.ram"


def stream(*words: Word, pages: int = 4) -> Stream:
    size = pages * PAGE_SIZE
    writer = StreamWriter()
    start = encode_words((BlockList(size, (Block(BLOCK, size),)), EndOfSection()), PAGE_SIZE)
    data = writer.header() + writer.configuration("pc-i440fx-7.2") + writer.start(1, "ram", 0, 4)
    data += writer.payload(start) + writer.footer()
    data += writer.part(1) + writer.payload(encode_words((*words, EndOfSection()), PAGE_SIZE)) + writer.footer()
    return vnetmig.load(data + writer.eof())


def page(number: int, fill: int, named: bool = True) -> Page:
    return Page(BLOCK, number * PAGE_SIZE, bytes((fill,)) * PAGE_SIZE, named)


def test_pages_by_what_they_hold() -> None:
    a = stream(page(0, 1), page(1, 2, False), page(2, 0, False))
    b = stream(page(1, 3), page(0, 1, False), Zero(BLOCK, 2 * PAGE_SIZE, 0, False), page(3, 9, False))
    assert ram_difference(a, b) == RamDifference(pages=3, differ=1, only_b=1)
    assert ram_difference(b, a) == RamDifference(pages=3, differ=1, only_a=1)
    assert ram_difference(a, a).identical


def test_the_last_copy_of_a_page_counts() -> None:
    assert ram_difference(stream(page(0, 1), page(0, 5, False)), stream(page(0, 5))).identical


def test_pages_are_a_matter_of_time_and_blocks_are_not() -> None:
    a = stream(page(0, 1))
    found = diff(a, stream(page(0, 2)))
    assert found.equal and not found.identical and found.ram is not None and found.ram.differ == 1
    assert found.first is not None and found.first.a.section == "ram"
    larger = diff(a, stream(page(0, 1), pages=8))
    assert not larger.equal and larger.ram is not None
    assert larger.ram.blocks == ((BLOCK, 4 * PAGE_SIZE, 8 * PAGE_SIZE),)


def test_a_delta_without_its_page_cannot_be_compared() -> None:
    found = diff(stream(page(0, 1)), stream(Xbzrle(BLOCK, 0, 1, b"\0", True)))
    assert found.ram is not None and found.ram.unknown is not None and not found.equal
