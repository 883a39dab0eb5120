"""The sections of a stream as rows: where, what, and by which description they were read.

Knows sections; what stands in their fields is not looked at.
"""

from __future__ import annotations

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.migration.device import DescribedBy
from vnetmig.report.fields import is_opaque
from vnetmig.stream.iterative import FLAG_NAMES, INIT_STATE, IterativeData
from vnetmig.stream.payload import Raw
from vnetmig.stream.tentative import FLAG_NAMES as FRAME_NAMES
from vnetmig.stream.tentative import Frame


def described_by(section: Section) -> str:
    """Who explained the payload: virtio, registered (a description of another package), ram, vmdesc; frame (of the
    state in it nothing is known without others); opaque (a virtio device of which the vmdesc says nothing but its
    length), length (the vmdesc does not fit the bytes), assumed, or nothing."""
    if section.state is not None:
        return DescribedBy.of(section.state.record).value
    if isinstance(section.payload, IterativeData):
        return "virtio"
    if isinstance(section.payload, Frame):
        return "frame"
    if section.record is not None:
        return "opaque" if is_opaque(section) else "vmdesc"
    if section.assumed:
        return "assumed"
    if not section.payloads:
        return "nothing"
    if any(isinstance(event.payload, Raw) for event in section.payloads):
        return "length" if section.description is not None else "nothing"
    return "ram"


def content(section: Section) -> str:
    """The payload in a few words, where the idstr alone does not say it."""
    payload = section.payload
    if isinstance(payload, IterativeData):
        return " ".join(iterative_flags(payload))
    if section.finding is not None:
        return section.finding.message
    if isinstance(payload, Frame):
        return " ".join(frame_flags(payload))
    return ""


def frame_flags(frame: Frame) -> list[str]:
    """The flag of a frame by name, and the state that it builds on."""
    return [FRAME_NAMES[frame.flag], *([f"on {frame.base.hex()}"] if frame.base else [])]


def iterative_flags(payload: IterativeData) -> list[str]:
    """The flags of an iterative payload by name, ``state`` for each device state between them."""
    found: list[str] = []
    for _ in payload.states:
        found += [FLAG_NAMES[INIT_STATE], "state"]
    return [*found, FLAG_NAMES.get(payload.closing, f"{payload.closing:#x}")]


def virtio_sections(stream: Stream) -> list[Section]:
    """The sections that hold, or should hold, a virtio device's state."""
    return [s for s in stream.sections if described_by(s) in ("virtio", "opaque")]
