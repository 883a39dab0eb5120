"""Keeping the vmdescription true when an edited device changed its size.

Knows where the JSON tells a virtio device's size (its one opaque field) and a device's subsections. Nothing else of the
text changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vnetmig.stream.events import Event, SectionPayload, VmDescription
from vnetmig.stream.outline import named
from vnetmig.stream.vmdescription import Description, JsonObject
from vnetmig.vmstate import elements

if TYPE_CHECKING:
    from vnetmig.document.section import Section

Key = tuple[str, int, int]
"""(idstr, instance_id, occurrence) of an entry."""


def resized(events: Iterable[Event], sections: Mapping[int, Section]) -> Iterator[Event]:
    """The events, with the sizes in the vmdescription those of the payloads as they are encoded now."""
    sizes: dict[Key, int] = {}
    dropped: dict[Key, set[str]] = {}
    changed = False
    for event in events:
        if isinstance(event, SectionPayload):
            section = sections[id(event)]
            device = section.description
            if section.type == "full" and device is not None:
                key = device.name, device.instance_id, device.occurrence
                if section.state is not None:
                    sizes[key] = len(section.encode_payload(event.payload))
                    changed = changed or sizes[key] != event.size
                elif section.looked_into is not None:
                    dropped[key] = _described(device.json) - set(elements.own_subsections(section.looked_into))
                    changed = changed or bool(dropped[key])
        if isinstance(event, VmDescription) and changed:
            yield VmDescription(rewritten(event.description, sizes, dropped), event.offset, event.size)
        else:
            yield event


def _described(device: JsonObject) -> set[str]:
    """Names of the device's own subsections."""
    entries = device.get("subsections")
    found = map(_name, entries if isinstance(entries, list) else ())
    return {name for name in found if isinstance(name, str)}


def _name(entry: Any) -> Any:
    return entry.get("vmsd_name") if isinstance(entry, JsonObject) else None


def rewritten(
    description: Description, sizes: Mapping[Key, int], dropped: Mapping[Key, set[str]] = MappingProxyType({})
) -> Description:
    """``description`` with ``sizes`` of payloads that are one opaque field, and without the subsections ``dropped``."""
    entries = description.root["devices"]  # a list: sizes are known of devices that stand in it
    keys = {id(json): (d.name, d.instance_id, d.occurrence) for d, json in named((e, e) for e in entries)}

    def entry(device: Any) -> Any:
        key = keys.get(id(device))
        if key is None:
            return device
        return _without(_with_size(device, sizes.get(key)), dropped.get(key, set()))

    root = JsonObject(
        [
            (key, [entry(device) for device in value] if key == "devices" else value)
            for key, value in description.root.pairs
        ]
    )
    return Description.of(root, description.style)


def _without(device: Any, names: set[str]) -> Any:
    """``device`` without its subsections called ``names``; without the key when none is left, as QEMU writes it."""
    if not names:
        return device
    pairs = []
    for key, value in device.pairs:
        if key == "subsections" and isinstance(value, list):
            value = [entry for entry in value if _name(entry) not in names]
            if not value:
                continue
        pairs.append((key, value))
    return JsonObject(pairs)


def _with_size(device: Any, size: int | None) -> Any:
    """``device`` with ``size`` as that of its only field."""
    fields = device.get("fields", []) if isinstance(device, JsonObject) else []
    if size is None or len(fields) != 1 or not isinstance(fields[0], JsonObject):
        return device
    field = JsonObject([(k, size if k == "size" else v) for k, v in fields[0].pairs])
    return JsonObject([(k, [field] if k == "fields" else v) for k, v in device.pairs])
