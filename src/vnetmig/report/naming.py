"""What the bits and special numbers in a virtio section mean, by the field they stand in.

Knows field paths of virtio sections and the specification's names; reads no record.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from vnetmig.virtio import features
from vnetmig.virtio.section import SECTIONS

Names = tuple[str, ...]
Namer = Callable[[str, int, int], Names]
"""(device, value, index of the element) -> names."""

_INDEX = re.compile(r"\[(\d+)\]")
_NUMBERS = re.compile(r"\[\d+\]|#\d+")
"""Indices, and the numbers of duplicate subsections."""

STATUS = {1: "ACKNOWLEDGE", 2: "DRIVER", 4: "DRIVER_OK", 8: "FEATURES_OK", 0x40: "NEEDS_RESET", 0x80: "FAILED"}
"""virtio 1.3, 2.1"""
ISR = {1: "QUEUE", 2: "CONFIG"}
"""virtio 1.3, 4.1.4.5"""
NET_STATUS = {1: "LINK_UP", 2: "ANNOUNCE"}
"""virtio 1.3, 5.1.4"""
HASH_TYPES = ("IPv4", "TCPv4", "UDPv4", "IPv6", "TCPv6", "UDPv6", "IP_EX", "TCP_EX", "UDP_EX")
"""virtio 1.3, 5.1.6.4.3.1, bit by bit"""
ENDIAN = ("unknown", "little-endian", "big-endian")
"""qemu: include/hw/virtio/virtio.h:enum virtio_device_endian"""
NO_VECTOR = 0xFFFF
"""virtio 1.3, 4.1.5.1.2"""


def bits(table: dict[int, str], value: int) -> Names:
    """Names of the set bits; a bit without a name as its number."""
    return tuple(table.get(1 << bit, f"bit {bit}") for bit in range(value.bit_length()) if value >> bit & 1)


def _bits(table: dict[int, str]) -> Namer:
    return lambda device, value, index: bits(table, value)


def _features(shift: int, per_index: int = 0) -> Namer:
    return lambda device, value, index: tuple(features.names(device, value << shift + per_index * index))


def _offloads(device: str, value: int, index: int) -> Names:
    return tuple(name.removeprefix("VIRTIO_NET_F_") for name in features.names(device, value))


def _vector(device: str, value: int, index: int) -> Names:
    return ("NO_VECTOR",) if value == NO_VECTOR else ()


def _endian(device: str, value: int, index: int) -> Names:
    return (ENDIAN[value],) if value < len(ENDIAN) else ()


def _vlans(device: str, value: int, index: int) -> Names:
    return tuple(f"vlan {32 * index + bit}" for bit in range(32) if value >> bit & 1)


_HASHES = _bits({1 << bit: name for bit, name in enumerate(HASH_TYPES)})

_OF_ALL: dict[str, Namer] = {
    "status": _bits(STATUS),
    "isr": _bits(ISR),
    "guest_features_low": _features(0),
    "64bit_features.guest_features": _features(0),
    "128bit_features.guest_features_high": _features(64),
    "extra_state.pci.modern_state.guest_features": _features(0, 32),
    "extra_state.pci.modern_state.features128.guest_features_2": _features(64),
    "extra_state.pci.modern_state.features128.guest_features_3": _features(96),
    "extra_state.mmio.state.guest_features": _features(0, 32),
    "device_endian.device_endian": _endian,
    "vq.vector": _vector,
    "config_vector": _vector,
}
_OF_NET: dict[str, Namer] = {
    "config.status": _bits(NET_STATUS),
    "config.supported_hash_types": _HASHES,
    "net_status": _bits(NET_STATUS),
    "curr_guest_offloads": _offloads,
    "rss.hash_types": _HASHES,
    "rss.supported_hash_types": _HASHES,
    "vlans": _vlans,
}


def names(device: str, path: str, value: object) -> Names:
    """What ``value`` of the field at ``path`` of ``device``'s section means; empty when nothing is to be said.

    >>> names("virtio-net", "status", 15)
    ('ACKNOWLEDGE', 'DRIVER', 'DRIVER_OK', 'FEATURES_OK')
    """
    if device not in SECTIONS or not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return ()
    namer = _namer(device, path)
    if namer is None:
        return ()
    found = _INDEX.search(path)
    return namer(device, value, int(found.group(1)) if found else 0)


def may_have_names(device: str, path: str) -> bool:
    """Whether there is a value of this field for which ``names`` says something; the index in ``path`` is any."""
    return device in SECTIONS and _namer(device, path) is not None


def _namer(device: str, path: str) -> Namer | None:
    key = _NUMBERS.sub("", path) if "[" in path or "#" in path else path
    return _OF_ALL.get(key) or (_OF_NET.get(key) if device == "virtio-net" else None)
