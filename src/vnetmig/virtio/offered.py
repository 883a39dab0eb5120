"""What a section's layout proves of the features that its device offers, and of those that it does not.

QEMU writes some subsections by what the host offers, not by what the guest accepted (qemu: hw/virtio/virtio.c:
virtio_*_needed). Knows those rules; knows no single device's features.
"""

from __future__ import annotations

from collections.abc import Collection

from vnetmig.virtio import features
from vnetmig.virtio.rings import RING_PACKED, VERSION_1, features_in
from vnetmig.vmstate.table import Part

_FROM_32 = (1 << 64) - (1 << 32)
_FROM_64 = (1 << 128) - (1 << 64)

# subsection there: all of these are offered; not there: none of those is
#    subsection               proves        absent: not offered
_RULES = (
    ("virtqueues", VERSION_1, VERSION_1),
    ("packed_virtqueues", RING_PACKED, RING_PACKED),
    ("64bit_features", 0, _FROM_32),
    ("128bit_features", 0, _FROM_64),
)


#                 config_len    one of these features is offered
_CONFIG_PROVES = {
    "virtio-net": (
        (8, "VIRTIO_NET_F_STATUS"),
        (10, "VIRTIO_NET_F_MQ"),
        (12, "VIRTIO_NET_F_MTU"),
        (17, "VIRTIO_NET_F_SPEED_DUPLEX"),
    )
}


def offered_at_least(kind: str, found: dict[str, Part]) -> int:
    """Features that a ``kind`` device offers for certain: accepted ones, and those that its layout follows from.
    ``found``: its record, part by part."""
    bits = features_in(found) | proved(found)
    length = found[""].value("config_len")
    for end, name in _CONFIG_PROVES.get(kind, ()):
        if length == end:
            bits |= features.bits_of(kind, [name])
    return bits


def proved(there: Collection[str]) -> int:
    """Feature bits that a device with these subsections offers for certain, whatever the guest accepted."""
    bits = 0
    for name, always, _ in _RULES:
        if name in there:
            bits |= always
    return bits


def disproved(there: Collection[str]) -> int:
    """Feature bits that a device with these subsections offers for certain not."""
    bits = 0
    for name, _, never in _RULES:
        if name not in there:
            bits |= never
    return bits
