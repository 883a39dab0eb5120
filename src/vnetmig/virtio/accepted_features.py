"""The features that the driver accepted, set in every place of a virtio record that repeats them.

Knows where those places are (qemu: hw/virtio/virtio.c:virtio_save, hw/virtio/virtio-pci.c); what is
read of them is virtio.rings'. Knows no device.
"""

from __future__ import annotations

from vnetmig.errors import FieldError
from vnetmig.vmstate import Record

BITS = 128

_PCI = "extra_state.pci.modern_state"

#                 path                                      bits: first, number
WORDS: dict[str, tuple[int, int]] = {
    "guest_features_low": (0, 32),
    "64bit_features.guest_features": (0, 64),
    "128bit_features.guest_features_high": (64, 64),
    f"{_PCI}.guest_features[0]": (0, 32),
    f"{_PCI}.guest_features[1]": (32, 32),
    f"{_PCI}.features128.guest_features_2": (64, 32),
    f"{_PCI}.features128.guest_features_3": (96, 32),
}
"""The transport keeps what the driver wrote; a device that is read back shows these."""

_NEEDED = ((64, "128bit_features"), (32, "64bit_features"))


def set_guest_features(record: Record, bits: int) -> None:
    """Bit n is feature n. FieldError, with nothing changed, when a bit has no place in ``record``."""
    if not isinstance(bits, int) or not 0 <= bits < 1 << BITS:
        raise FieldError(f"guest_features takes a set of bits 0 to {BITS - 1}, not {bits!r}")
    for first, subsection in _NEEDED:
        if bits >> first and f"{subsection}.#version" not in record:
            raise FieldError(f"features above bit {first - 1} need the subsection {subsection}: add it first")
    for path, (first, number) in WORDS.items():
        if path in record:
            record[path] = bits >> first & (1 << number) - 1
