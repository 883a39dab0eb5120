"""Every field of a section, with its place in the stream.

Knows sections and what stands in them besides records (the flags of an iterative payload); formats nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.document.section import Section
from vnetmig.stream.iterative import FLAG_BYTES, FLAG_NAMES, INIT_STATE, IterativeData
from vnetmig.vmstate.fields import Field, FieldMap, Rows

Leaf = tuple[str, Field]


def section_fields(section: Section) -> Iterator[Leaf]:
    """(path, field) of everything in the payload that has a name, in wire order."""
    payload = section.payload
    if isinstance(payload, IterativeData):
        yield from _iterative(section, payload)
    elif section.record is not None:
        yield from FieldMap(section.record, section.record_offset).leaves()


def section_pieces(section: Section) -> Iterator[Leaf | Rows]:
    """As ``section_fields``, but arrays of plain structures whole."""
    payload = section.payload
    if isinstance(payload, IterativeData) or section.record is None:
        yield from section_fields(section)
    else:
        yield from FieldMap(section.record, section.record_offset).pieces()


def _iterative(section: Section, payload: IterativeData) -> Iterator[Leaf]:
    offset = section.payload_span[0]
    last = len(payload.states) - 1
    for number, state in enumerate(payload.states):
        yield f"#flag[{number}]", _flag(INIT_STATE, offset)
        offset += FLAG_BYTES
        # The last state is the one that counts and that a device view shows, so its paths have no prefix.
        prefix = "" if number == last else f"#state[{number}]."
        end = offset
        for path, field in FieldMap(state.record, offset).leaves():
            end = field.offset + field.size
            yield prefix + path, field
        offset = end
    yield f"#flag[{len(payload.states)}]", _flag(payload.closing, offset)


def _flag(flag: int, offset: int) -> Field:
    return Field(FLAG_NAMES.get(flag, f"{flag:#x}"), offset, FLAG_BYTES, "flag")
