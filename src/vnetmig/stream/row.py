"""A row of sections: FULL ones, each behind the other, that nothing decodes and whose lengths are known.

Knows headers, lengths and footers, and finds with them where each section stands: most of a stream, in a fraction of
the reader's time for single events. Must not know what may stand between rows. The events of a row are those that the
reader would have given; they are made when someone asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from vnetmig.errors import StreamError
from vnetmig.stream import framing, headers
from vnetmig.stream.cursor import Short
from vnetmig.stream.ending import footer_mark
from vnetmig.stream.events import SectionFooter, SectionPayload, SectionStart
from vnetmig.stream.payload import Raw, SectionHeader

_BEFORE_NAME = 1 + 4
"""Type and section_id, in front of the name's length."""
_AROUND_NAME = framing.NAMED_HEADER_MIN - 1

_KEPT = 2048
"""Headers that are kept, each at most 269 bytes: streams of one kind of machine have the same ones."""

Place = tuple[SectionHeader, int, int, int, int]
"""Header, which of its name and instance (from 0), begin of the section, begin and end of its payload; places are
relative to the row."""


class SectionRow:
    """``offset`` is absolute in the stream; iterating gives the three events of each section."""

    __slots__ = ("_data", "offset", "places", "size")

    def __init__(self, data: bytes, offset: int, places: Sequence[Place]) -> None:
        self._data = data
        self.offset = offset
        self.size = len(data)
        self.places = places

    def payload(self, place: Place) -> bytes:
        """The payload of one of ``places``."""
        return self._data[place[3] : place[4]]

    def __iter__(self) -> Iterator[tuple[SectionStart, SectionPayload, SectionFooter]]:
        data, offset = self._data, self.offset
        for header, _, at, start, end in self.places:
            yield (
                SectionStart(header, offset + at, start - at),
                SectionPayload(Raw(data[start:end]), offset + start, end - start),
                SectionFooter(header.section_id, offset + end),
            )


@lru_cache(maxsize=_KEPT)
def _opened(raw: bytes) -> tuple[SectionHeader, tuple[str, int], bytes]:
    """A header, its name and instance, and the section's footer."""
    header = headers.section_header(raw)
    return header, (header.idstr, header.instance_id), footer_mark(header.section_id)


def read_row(
    data: memoryview,
    offset: int,
    is_plain: Callable[[SectionHeader], bool],
    lengths: Mapping[tuple[str, int], Sequence[int]],
    seen: dict[tuple[str, int], int],
    limit: int,
) -> SectionRow:
    """The row at the start of ``data``, up to what needs a closer look: an end of the data, another kind of section, a
    payload that is decoded, of unknown length, longer than ``limit`` or without its footer. It may be empty.

    ``seen`` counts the sections of each name and instance, and goes on counting.
    """
    places: list[Place] = []
    at, last = 0, len(data) - framing.NAMED_HEADER_MIN
    while at <= last and data[at] == framing.SECTION_FULL:
        start = at + _AROUND_NAME + data[at + _BEFORE_NAME]
        try:
            header, key, mark = _opened(bytes(data[at:start]))
        except (StreamError, Short):
            break
        sizes, occurrence = lengths.get(key), seen.get(key, 0)
        if sizes is None or occurrence >= len(sizes):
            break
        size = sizes[occurrence]
        end = start + size
        if data[end : end + framing.FOOTER_SIZE] != mark or size > limit:
            break
        if not is_plain(header):
            break
        seen[key] = occurrence + 1
        places.append((header, occurrence, at, start, end))
        at = end + framing.FOOTER_SIZE
    return SectionRow(bytes(data[:at]), offset, places)
