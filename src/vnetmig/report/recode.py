"""A stream encoded from its values beside the bytes it was read from: equal, or where not.

Knows a loaded stream and its input in pieces, never the whole of either at once; opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.report.blocks import Block, Note
from vnetmig.report.fields import coverage, section_fields
from vnetmig.report.json import Json
from vnetmig.stream.events import Event, VmDescription

_SHOWN = 8
"""Bytes of both sides that a difference shows."""


@dataclass(frozen=True, slots=True)
class Difference:
    """``offset`` is that of the first byte that differs; the field is the one that the input has there."""

    offset: int
    section: str | None
    field: str | None
    input: bytes
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Recoded:
    """``fields`` values were encoded; ``kept`` bytes are not explained by anything and were kept as bytes."""

    size: int
    fields: int
    kept: int
    difference: Difference | None

    @property
    def identical(self) -> bool:
        return self.difference is None


def recode(
    stream: Stream, original: Iterable[bytes], progress: Callable[[int, int], None] = lambda done, total: None
) -> Recoded:
    """Encode ``stream`` from its values and compare with ``original``, the bytes it was loaded from."""
    total = max((event.offset + event.size for event in stream.events), default=0)
    size, found = _first_difference(stream.pieces(), iter(original), total, progress)
    counted = [coverage(section) for section in stream.sections]
    kept = sum(c.total - c.named for c in counted)
    kept += sum(e.size for e in stream.events if isinstance(e, VmDescription) and e.description.verbatim)
    fields = sum(c.fields for c in counted)
    if found is None:
        return Recoded(size, fields, kept, None)
    offset, ours, theirs = found
    section, field = _place(stream, offset)
    return Recoded(size, fields, kept, Difference(offset, section, field, theirs[:_SHOWN], ours[:_SHOWN]))


def _first_difference(
    encoded: Iterator[bytes], original: Iterator[bytes], total: int, progress: Callable[[int, int], None]
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


def _place(stream: Stream, offset: int) -> tuple[str | None, str | None]:
    """The section and the field that the input has at ``offset``."""
    for section in stream.sections:
        begin, end = section.span
        if begin <= offset < end:
            return section.idstr, _field(section, offset)
    event = next((e for e in stream.events if e.offset <= offset < e.offset + e.size), None)
    return None, None if event is None else _event_name(event)


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


def recode_blocks(result: Recoded) -> Iterator[Block]:
    found = result.difference
    if found is None:
        kept = f"; {result.kept} bytes that nothing explains kept as they came" if result.kept else ""
        yield Note(f"identical, {result.size} bytes, {result.fields} fields from values{kept}")
        return
    where = f" in section '{found.section}'" if found.section is not None else ""
    where += f", {found.field}" if found.field is not None else ""
    yield Note(f"different at offset {found.offset:#x} ({found.offset}){where}")
    yield Note(f"  input    {found.input.hex(' ') or 'ends here'}")
    yield Note(f"  encoded  {found.encoded.hex(' ') or 'ends here'}")


def recode_json(result: Recoded) -> dict[str, Json]:
    found = result.difference
    difference: Json = None
    if found is not None:
        difference = {
            "offset": found.offset,
            "section": found.section,
            "field": found.field,
            "input": found.input.hex(),
            "encoded": found.encoded.hex(),
        }
    return {
        "identical": result.identical,
        "bytes": result.size,
        "fields": result.fields,
        "kept_bytes": result.kept,
        "difference": difference,
    }
