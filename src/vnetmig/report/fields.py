"""Every field of a section, with its place in the stream: what `inspect` shows and counts.

Knows sections and what stands in them besides records (the flags of an iterative payload); formats nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vnetmig.document.section import Section
from vnetmig.document.section_fields import Leaf as Leaf
from vnetmig.document.section_fields import section_fields as section_fields
from vnetmig.document.section_fields import section_pieces as section_pieces
from vnetmig.document.stream import Stream
from vnetmig.stream.iterative import FLAG_BYTES, IDSTR_SUFFIX, IterativeData
from vnetmig.stream.payload import Payload, Raw
from vnetmig.vmstate.fields import FieldMap
from vnetmig.vmstate.record import Record

OPAQUE = "virtio"
"""The field that stands for a whole virtio device (qemu: include/hw/virtio/virtio.h:VMSTATE_VIRTIO_DEVICE)."""


def device_name(section: Section) -> str:
    """The kind of virtio device whose state is in the section; empty when there is none."""
    state = section.state
    return state.record.program.vmsd.name if state is not None else ""


def is_opaque(section: Section) -> bool:
    """A virtio device that nothing here describes: QEMU's own description shows all of it as one buffer."""
    if section.state is not None or section.record is None:
        return False
    return isinstance(section.record.get(OPAQUE), bytes)


def partial_fields(stream: Stream) -> Iterator[Leaf]:
    """(path, field) of what was decoded of the section that reading stopped in."""
    error, section = stream.error, stream.failed
    record = error.record if error is not None else None
    if error is None or section is None or not isinstance(record, Record):
        return
    begin = section.payload_span[0]
    if section.idstr.endswith(IDSTR_SUFFIX):
        begin += FLAG_BYTES
    for path, field in FieldMap(record, begin).leaves():
        if field.offset + field.size > error.offset:
            return
        yield path, field


@dataclass(frozen=True, slots=True)
class Coverage:
    """``named`` of ``total`` payload bytes are in exactly one named value; ``fields`` such values."""

    named: int = 0
    total: int = 0
    fields: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.named + other.named, self.total + other.total, self.fields + other.fields)

    @property
    def complete(self) -> bool:
        return self.named == self.total


def coverage(section: Section) -> Coverage:
    """How much of the payload has names. A byte that two fields claim, or none, does not count."""
    begin, end = section.payload_span
    total = end - begin
    if not total or not _has_fields(section.payload, section):
        # RAM's words name every byte of theirs: address, flags, page.
        named = 0 if any(isinstance(event.payload, Raw) for event in section.payloads) else total
        return Coverage(named, total, 0)
    position = begin
    named = count = 0
    for offset, size, leaves, is_named in _stretches(section):
        if is_named and offset == position:
            named += size
        position = max(position, offset + size)
        count += leaves
    return Coverage(min(named, total), total, count)


def _stretches(section: Section) -> Iterator[tuple[int, int, int, bool]]:
    """(offset, size, fields, is any name theirs) of what stands side by side."""
    opaque = is_opaque(section)
    if opaque or section.record is None or isinstance(section.payload, IterativeData):
        for path, field in section_fields(section):
            yield field.offset, field.size, 1, not (opaque and path == OPAQUE)
    else:
        for stretch in FieldMap(section.record, section.record_offset).stretches():
            yield *stretch, True


def _has_fields(payload: Payload | None, section: Section) -> bool:
    return isinstance(payload, IterativeData) or section.record is not None
