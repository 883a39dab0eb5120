"""A stream encoded from its values beside the bytes it was read from: equal, or where not.

Knows a loaded stream and its input in pieces, never the whole of either at once; opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vnetmig.analysis.first_difference import first_difference, place_of
from vnetmig.document.stream import Stream
from vnetmig.report.blocks import Block, Note
from vnetmig.report.fields import coverage
from vnetmig.report.json import Json
from vnetmig.stream.events import VmDescription

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
    size, found = first_difference(stream.pieces(), iter(original), total, progress)
    counted = [coverage(section) for section in stream.sections]
    kept = sum(c.total - c.named for c in counted)
    kept += sum(e.size for e in stream.events if isinstance(e, VmDescription) and e.description.verbatim)
    fields = sum(c.fields for c in counted)
    if found is None:
        return Recoded(size, fields, kept, None)
    offset, ours, theirs = found
    place = place_of(stream, offset)
    return Recoded(size, fields, kept, Difference(offset, place.section, place.field, theirs[:_SHOWN], ours[:_SHOWN]))


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
