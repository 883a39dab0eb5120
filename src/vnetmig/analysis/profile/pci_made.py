"""What a destination's device has in its PCI configuration, by its profile: properties to the registers that they make.

Knows which properties matter; the registers are virtio.pci_expected's.
"""

from __future__ import annotations

from vnetmig.analysis.profile.profile import DeviceProfile
from vnetmig.virtio.pci_expected import Expected, checked_bytes


def pci_made(device: DeviceProfile, vectors: int, *, modern: bool, legacy: bool, express: bool) -> Expected:
    """The bytes of ``device``'s configuration that a load compares."""

    def on(name: str) -> bool:
        return device.properties.get(name, "off") == "on"

    return checked_bytes(
        device.kind,
        modern=modern,
        legacy=legacy,
        express=express,
        vectors=vectors,
        ids=device.pci_ids,
        multifunction=on("multifunction"),
        queue_pages=on("page-per-vq"),
        port_notify=on("modern-pio-notify"),
        config_len=device.config_len,
    )
