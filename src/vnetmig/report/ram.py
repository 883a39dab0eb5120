"""The RAM in a stream, summed up: its blocks, and how many words of each kind.

Knows RAM payloads of every layout; looks at no page's content.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.stream.mapped_pieces import MappedBitmap, MappedEntry, MappedPages
from vnetmig.stream.payload import Payload
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import Block, BlockList

#              value class       its name on the wire
KINDS = {
    "BlockList": "MEM_SIZE",
    "Page": "PAGE",
    "Zero": "ZERO",
    "Xbzrle": "XBZRLE",
    "CompressedPage": "COMPRESS_PAGE",
    "MultifdFlush": "MULTIFD_FLUSH",
    "Hook": "HOOK",
    "EndOfSection": "EOS",
}


@dataclass(slots=True)
class RamSummary:
    """``words`` by flag name; ``present`` counts the pages of a mapped-ram file, where pages are no words."""

    sections: int = 0
    size: int = 0
    total: int | None = None
    """What MEM_SIZE announces."""
    page_size: int | None = None
    words: dict[str, int] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    present: dict[str, int] = field(default_factory=dict)
    by_section: list[dict[str, int]] = field(default_factory=list)
    """``words`` of each RAM section, in stream order."""


def words_of(section: Section) -> dict[str, int]:
    """Words by flag name in one RAM section."""
    counts: dict[str, int] = {}
    for event in section.payloads:
        _count(event.payload, counts)
    return counts


def _count(payload: Payload, counts: dict[str, int]) -> None:
    if isinstance(payload, RamWords):
        for kind, number in payload.kinds().items():
            name = KINDS[kind]
            counts[name] = counts.get(name, 0) + number
    elif isinstance(payload, MappedPages):
        number = sum(byte.bit_count() for byte in payload.present)
        if number:
            counts["mapped page"] = counts.get("mapped page", 0) + number
    elif isinstance(payload, MappedEntry):
        counts["mapped block"] = counts.get("mapped block", 0) + 1


def summarize(stream: Stream) -> RamSummary | None:
    """All RAM sections together; None when there is none."""
    sections = [s for s in stream.sections if s.idstr == "ram"]
    if not sections:
        return None
    summary = RamSummary(len(sections))
    for section in sections:
        begin, end = section.payload_span
        summary.size += end - begin
        words = words_of(section)
        summary.by_section.append(words)
        for name, count in words.items():
            summary.words[name] = summary.words.get(name, 0) + count
        for event in section.payloads:
            _note(event.payload, summary)
    return summary


def _note(payload: Payload, summary: RamSummary) -> None:
    if isinstance(payload, RamWords):
        summary.page_size = payload.grammar.page_size
        if not summary.blocks:  # the list comes first; a source sends it once
            for word in payload.words():
                if isinstance(word, BlockList):
                    summary.total = word.total
                    summary.blocks.extend(word.blocks)
                break
    elif isinstance(payload, MappedEntry):
        summary.page_size = payload.page_size
        summary.blocks.append(payload.block)
        if payload.total is not None:
            summary.total = payload.total
    elif isinstance(payload, MappedBitmap):
        summary.present[payload.block] = sum(byte.bit_count() for byte in payload.bits)
