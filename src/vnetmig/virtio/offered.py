"""What a section's layout proves of the features that its device offers, and of those that it does not.

QEMU writes some subsections by what the host offers, not by what the guest accepted (qemu: hw/virtio/virtio.c:
virtio_*_needed). Knows those rules; knows no single device's features.
"""

from __future__ import annotations

from vnetmig.virtio.rings import RING_PACKED, VERSION_1
from vnetmig.vmstate import Record

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


def proved(record: Record) -> int:
    """Feature bits that the device offers for certain, whatever the guest accepted."""
    there = record.subsections()
    bits = 0
    for name, always, _ in _RULES:
        if name in there:
            bits |= always
    return bits


def disproved(record: Record) -> int:
    """Feature bits that the device offers for certain not."""
    there = record.subsections()
    bits = 0
    for name, _, never in _RULES:
        if name not in there:
            bits |= never
    return bits
