"""Sections put into a stream: events with a section more, or with another payload, each at its new place.

Knows events and the vmdescription's entries; changes nothing that it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from vnetmig.document.device import Device
from vnetmig.errors import FieldError
from vnetmig.stream import framing
from vnetmig.stream.commands import Packaged
from vnetmig.stream.device_state import DeviceState
from vnetmig.stream.events import (
    Command,
    Eof,
    Event,
    PackageEnd,
    SectionFooter,
    SectionPayload,
    SectionStart,
    VmDescription,
)
from vnetmig.stream.payload import Payload, Raw, SectionHeader
from vnetmig.stream.vmdescription import Description, JsonObject
from vnetmig.virtio.section import describes
from vnetmig.vmstate import Record


class Placed(Protocol):
    """What can be put into a stream: a NetState, or a device view of any stream."""

    @property
    def idstr(self) -> str: ...
    @property
    def instance_id(self) -> int: ...
    @property
    def version_id(self) -> int: ...
    @property
    def record(self) -> Record: ...


def payload_of(device: Placed) -> Payload:
    """The device's values, a copy."""
    record = device.record.copy()
    return DeviceState(record) if describes(record) else Raw(record.save())


def with_section(events: Sequence[Event], device: Placed) -> list[Event]:
    """``events`` with a FULL section of ``device`` behind the others. FieldError when there is one of its name."""
    starts = [event for event in events if isinstance(event, SectionStart)]
    if any((s.idstr, s.instance_id) == (device.idstr, device.instance_id) for s in starts):
        raise FieldError(f"there is a section '{device.idstr}' {device.instance_id} already: replace it")
    end = next((i for i, event in enumerate(events) if isinstance(event, Eof)), None)
    if end is None:
        raise FieldError("the stream has no end that a section could be put in front of")
    number = max((start.section_id for start in starts), default=-1) + 1
    header = SectionHeader(framing.SECTION_FULL, number, device.idstr, device.instance_id, device.version_id)
    payload = payload_of(device)
    section: list[Event] = [SectionStart(header), SectionPayload(payload)]
    if not starts or any(isinstance(event, SectionFooter) for event in events):
        section.append(SectionFooter(number))
    entry = _entry(device, len(payload.encode()))
    return [*events[:end], *section, *(_with_entry(event, entry) for event in events[end:])]


def _with_entry(event: Event, entry: JsonObject) -> Event:
    """The vmdescription with one device more."""
    if not isinstance(event, VmDescription) or event.description.fault is not None:
        return event
    root = event.description.root
    pairs = [(key, [*value, entry] if key == "devices" else value) for key, value in root.pairs]
    return VmDescription(Description.of(JsonObject(pairs), event.description.style))


def _entry(device: Placed, size: int) -> JsonObject:
    """A device's own description, or that of a virtio device: QEMU describes it as one field."""
    known = device.section.description if isinstance(device, Device) else None
    if known is not None and not describes(device.record):
        return known.json
    field = JsonObject([("name", "virtio"), ("type", "virtio"), ("size", size)])
    return JsonObject(
        [
            ("name", device.idstr),
            ("instance_id", device.instance_id),
            ("vmsd_name", device.record.program.vmsd.name),
            ("version", device.version_id),
            ("fields", [field]),
        ]
    )


def relocated(events: Iterable[Event]) -> Iterator[Event]:
    """The events at the places they have when they are written one after the other; packages with their lengths."""
    package: list[Event] | None = None
    opening: Command | None = None
    at = 0
    for event in events:
        if isinstance(event, Command) and isinstance(event.payload, Packaged):
            opening, package = replace(event, offset=at), []
            at += opening.size
            continue
        placed = replace(event, offset=at, size=_size(event))
        at += placed.size
        if package is None:
            yield placed
        elif isinstance(placed, PackageEnd) and opening is not None:
            yield replace(opening, payload=Packaged(sum(one.size for one in package)))
            yield from package
            yield placed
            package = None
        else:
            package.append(placed)


def _size(event: Event) -> int:
    """Of RAM what it was when it was read: encoding it would take as long as writing it."""
    if isinstance(event, SectionPayload):
        if isinstance(event.payload, Raw):
            return len(event.payload.data)
        if isinstance(event.payload, DeviceState) or not event.size:
            return len(event.encode())
        return event.size
    return len(event.encode())
