"""Keeping the vmdescription true when an edited device changed its size.

Knows where the JSON tells a virtio device's size: its one opaque field. Nothing else of the text changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vnetmig.stream.events import Event, SectionPayload, VmDescription
from vnetmig.stream.outline import named
from vnetmig.stream.vmdescription import Description, JsonObject

if TYPE_CHECKING:
    from vnetmig.document.section import Section


def resized(events: Iterable[Event], sections: Mapping[int, Section]) -> Iterator[Event]:
    """The events, with the sizes in the vmdescription those of the payloads as they are encoded now."""
    sizes: dict[tuple[str, int, int], int] = {}
    changed = False
    for event in events:
        if isinstance(event, SectionPayload):
            section = sections[id(event)]
            if section.type == "full" and section.state is not None and section.description is not None:
                size = len(section.encode_payload(event.payload))
                device = section.description
                sizes[device.name, device.instance_id, device.occurrence] = size
                changed = changed or size != event.size
        if isinstance(event, VmDescription) and changed:
            yield VmDescription(_with_sizes(event.description, sizes), event.offset, event.size)
        else:
            yield event


def _with_sizes(description: Description, sizes: Mapping[tuple[str, int, int], int]) -> Description:
    entries = description.root["devices"]  # a list: sizes are known of devices that stand in it
    by_json = {id(json): sizes.get((d.name, d.instance_id, d.occurrence)) for d, json in named((e, e) for e in entries)}
    root = JsonObject(
        [
            (key, [_with_size(device, by_json.get(id(device))) for device in value] if key == "devices" else value)
            for key, value in description.root.pairs
        ]
    )
    return Description.of(root, description.style)


def _with_size(device: Any, size: int | None) -> Any:
    """``device`` with ``size`` as that of its only field."""
    fields = device.get("fields", []) if isinstance(device, JsonObject) else []
    if size is None or len(fields) != 1 or not isinstance(fields[0], JsonObject):
        return device
    field = JsonObject([(k, size if k == "size" else v) for k, v in fields[0].pairs])
    return JsonObject([(k, [field] if k == "fields" else v) for k, v in device.pairs])
