"""Streams of any size, made quickly: many sections, or RAM that is all holes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vnetmig.document.net_state import new_net
from vnetmig.document.new_stream import new_stream
from vnetmig.stream import framing
from vnetmig.stream.mapped_ram import bitmap_size
from vnetmig.stream.ram_words import MappedHeader

PAGE = 4096
MACHINE = "pc-i440fx-10.0"
EOS = (0x10).to_bytes(8, "big")


def front(*capabilities: str) -> bytes:
    """Header and configuration."""
    return new_stream(MACHINE, capabilities=capabilities, vmdescription=False).encode()[:-1]


def section(kind: int, number: int, idstr: str, version: int, payload: bytes, instance: int = 0) -> bytes:
    name = idstr.encode()
    header = bytes((kind,)) + number.to_bytes(4, "big")
    if kind in framing.NAMED_SECTIONS:
        header += bytes((len(name),)) + name + instance.to_bytes(4, "big") + version.to_bytes(4, "big")
    return header + payload + bytes((framing.SECTION_FOOTER,)) + number.to_bytes(4, "big")


def described(devices: list[dict[str, Any]]) -> bytes:
    """The end of a stream: EOF and vmdescription."""
    text = json.dumps({"page_size": PAGE, "devices": devices}, separators=(",", ":")).encode()
    return bytes((framing.EOF, framing.VMDESCRIPTION)) + len(text).to_bytes(4, "big") + text


def many_sections(count: int, *, one_name: bool = False) -> bytes:
    """``count`` devices that only the vmdescription knows, of 32 bytes each."""
    fields = [{"name": "a", "type": "uint32", "size": 4}, {"name": "b", "type": "buffer", "size": 28}]
    devices, parts = [], [front()]
    for number in range(count):
        name = "dev" if one_name else f"dev{number}"
        instance = number if one_name else 0
        parts.append(section(framing.SECTION_FULL, number, name, 1, number.to_bytes(32, "big"), instance))
        devices.append({"name": name, "instance_id": instance, "vmsd_name": "dev", "version": 1, "fields": fields})
    return b"".join([*parts, described(devices)])


def many_nets(count: int) -> bytes:
    """``count`` virtio-nets, each with its 1,024 queue entries."""
    payload = new_net(mac="52:54:00:aa:bb:cc").record.save()
    field = {"name": "virtio", "type": "virtio", "size": len(payload)}
    devices, parts = [], [front()]
    for number in range(count):
        name = f"{number:04x}:00:03.0/virtio-net"
        parts.append(section(framing.SECTION_FULL, number, name, 11, payload))
        devices.append({"name": name, "instance_id": 0, "vmsd_name": "virtio-net", "version": 11, "fields": [field]})
    return b"".join([*parts, described(devices)])


def write_holes(path: Path, size: int, *, present: bool = False) -> None:
    """A mapped-ram file of a guest with ``size`` bytes of memory, none of them written. ``present``: the bitmap says
    that every page is there all the same."""
    start = b"\x01" + (2).to_bytes(4, "big") + b"\x03ram" + bytes(4) + (4).to_bytes(4, "big")
    footer = bytes((framing.SECTION_FOOTER,)) + (2).to_bytes(4, "big")
    with path.open("wb") as file:
        file.write(front("mapped-ram") + start)
        file.write((size | 4).to_bytes(8, "big") + b"\x06pc.ram" + size.to_bytes(8, "big"))
        bitmap = file.tell() + MappedHeader.SIZE
        bits = bitmap_size(size, PAGE)
        pages = -(-(bitmap + bits) >> 20) << 20
        file.write(MappedHeader(1, PAGE, bitmap, pages).encode())
        if present:
            file.write(b"\xff" * bits)
        file.seek(pages + size)
        file.write(EOS + footer + section(framing.SECTION_END, 2, "", 0, EOS))
        file.write(section(framing.SECTION_FULL, 3, NET, 11, new_net(NET).record.save()) + bytes((framing.EOF,)))


NET = "0000:00:03.0/virtio-net"
