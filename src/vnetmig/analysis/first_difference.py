"""The first byte in which two streams differ, and what a stream has at an offset.

Knows streams in pieces, never the whole of one at once; knows no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vnetmig.document.section import Section
from vnetmig.document.section_fields import section_fields
from vnetmig.document.stream import Stream
from vnetmig.stream.events import Event


def first_difference(
    encoded: Iterator[bytes],
    original: Iterator[bytes],
    total: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, tuple[int, bytes, bytes] | None]:
    """(bytes that are equal, the first place where they are not: offset, encoded, original)."""
    offset = 0
    ours = theirs = b""
    while True:
        ours = ours or _next(encoded)
        theirs = theirs or _next(original)
        size = min(len(ours), len(theirs))
        if not size:
            return offset, None if not ours and not theirs else (offset, ours, theirs)
        if ours[:size] != theirs[:size]:
            at = next(i for i in range(size) if ours[i] != theirs[i])
            return offset + at, (offset + at, ours[at:], theirs[at:])
        ours, theirs = ours[size:], theirs[size:]
        offset += size
        progress(offset, total)


def _next(pieces: Iterator[bytes]) -> bytes:
    """The next piece with something in it; empty at the end."""
    return next((piece for piece in pieces if piece), b"")


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at an offset; without section ``field`` is the name of what stands between sections."""

    section: str | None
    field: str | None


def place_of(stream: Stream, offset: int) -> Place:
    """The section and the field that ``stream`` had at ``offset`` when it was read."""
    for section in stream.sections:
        begin, end = section.span
        if begin <= offset < end:
            return Place(section.idstr, _field(section, offset))
    event = next((e for e in stream.events if e.offset <= offset < e.offset + e.size), None)
    return Place(None, None if event is None else _event_name(event))


def _field(section: Section, offset: int) -> str | None:
    begin, end = section.payload_span
    if offset < begin:
        return "section header"
    if offset >= end:
        return "section footer"
    for path, field in section_fields(section):
        if field.offset <= offset < field.offset + field.size:
            return path
    return None


def _event_name(event: Event) -> str:
    words = {"FileHeader": "file header", "VmDescription": "vmdescription", "Eof": "end of file"}
    name = type(event).__name__
    return words.get(name, name.lower())
