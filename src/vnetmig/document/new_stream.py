"""A stream with nothing in it but its frame: header, configuration, end.

Knows in which style the QEMU of a machine type describes its streams; knows no device.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from vnetmig.document.placing import relocated
from vnetmig.document.stream import Stream
from vnetmig.stream.configuration import Capabilities, ConfigurationBody
from vnetmig.stream.events import Configuration, Eof, Event, FileHeader, VmDescription
from vnetmig.stream.vmdescription import Description, JsonObject, Style

PAGE_SIZE = 4096

_VERSION = re.compile(r"-(\d+)\.(\d+)$")
_COMPACT_FROM = (6, 0)
_DESCRIBED_FROM = (10, 0)
"""QEMU whose vmdescription has the configuration section, too."""


def new_stream(
    machine: str = "pc-i440fx-7.2",
    *,
    capabilities: Iterable[str] = (),
    vmdescription: bool = True,
    engine: str | None = None,
) -> Stream:
    """A stream of ``machine`` without any section; ``add`` devices to it.

    ``capabilities`` are those that a destination must have on, in the order of QEMU's enum. ``vmdescription``: end with
    the description that QEMU writes, in the style of the version that the machine type names.

    >>> from vnetmig.document.net_state import new_net
    >>> stream = new_stream("pc-i440fx-7.2")
    >>> stream.add(new_net("0000:00:03.0/virtio-net", mac="52:54:00:aa:bb:cc"))
    <NetDevice '0000:00:03.0/virtio-net' v11>
    >>> import vnetmig
    >>> vnetmig.load(stream.encode()).device("virtio-net").mac
    '52:54:00:aa:bb:cc'
    """
    names = tuple(capabilities)
    body = ConfigurationBody(machine, (Capabilities(names),) if names else ())
    events: list[Event] = [FileHeader(), Configuration(body), Eof()]
    if vmdescription:
        events.append(VmDescription(_description(body)))
    stream = Stream(engine)
    for event in relocated(events):
        stream.append(event)
    return stream


def _description(body: ConfigurationBody) -> Description:
    found = _VERSION.search(body.machine_type)
    version = (int(found[1]), int(found[2])) if found is not None else _COMPACT_FROM
    pairs: list[tuple[str, object]] = []
    if version >= _DESCRIBED_FROM:
        pairs.append(("configuration", _configuration(body)))
    pairs += [("page_size", PAGE_SIZE), ("devices", [])]
    return Description.of(JsonObject(pairs), Style.COMPACT if version >= _COMPACT_FROM else Style.SPACED)


def _field(name: str, kind: str, size: int) -> JsonObject:
    return JsonObject([("name", name), ("type", kind), ("size", size)])


def _configuration(body: ConfigurationBody) -> JsonObject:
    """qemu: migration/savevm.c:vmstate_configuration, as described by QEMU 10.0."""
    fields = [_field("len", "uint32", 4), _field("name", "buffer", len(body.machine_type.encode()))]
    pairs: list[tuple[str, object]] = [("vmsd_name", "configuration"), ("version", 1), ("fields", fields)]
    if body.capabilities:
        # Of an array QEMU describes the first element only, though capabilities are of any length.
        first = _field("capabilities", "capability", 1 + len(body.capabilities[0].encode()))
        if len(body.capabilities) > 1:
            name, *rest = first.pairs
            first = JsonObject([name, ("array_len", len(body.capabilities)), *rest])
        inner = [_field("caps_count", "uint32", 4), first]
        described = [("vmsd_name", "configuration/capabilities"), ("version", 1), ("fields", inner)]
        pairs.append(("subsections", [JsonObject(described)]))
    return JsonObject(pairs)
