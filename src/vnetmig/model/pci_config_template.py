"""The PCI configuration space of a virtio-net-pci device as firmware and a driver leave it.

Knows what they write; what the device is made with is virtio.pci_expected's, and what a configuration space is in
general stands in virtio.pci_config.
"""

from __future__ import annotations

from vnetmig.virtio.pci_config import CONFIG_SIZE
from vnetmig.virtio.pci_expected import checked_bytes

#    offset  size  value
_WRITTEN = (
    (0x04, 2, 0x0507),  # command: I/O, memory, bus master, SERR, INTx off
    (0x10, 4, 0x0000C0C1),  # BAR 0: I/O
    (0x14, 4, 0xFEBF2000),  # BAR 1: MSI-X
    (0x20, 4, 0xFE00400C),  # BAR 4: the modern registers
    (0x2C, 2, 0x1AF4),
    (0x2E, 2, 0x0001),
    (0x3C, 1, 0x0B),
    (0x3D, 1, 0x01),
)
_MSIX_CONTROL = 0x9A
_MSIX_ENABLE = 0x8000


def pci_config(vectors: int) -> bytes:
    """The 256 bytes of a transitional device with ``vectors`` MSI-X vectors (1 to 2048), enabled."""
    made = checked_bytes("virtio-net", modern=True, legacy=True, express=False, vectors=vectors)
    config = bytearray(CONFIG_SIZE)
    for one in made.bytes:
        config[one.offset] = one.value
    for offset, size, value in (*_WRITTEN, (_MSIX_CONTROL, 2, _MSIX_ENABLE | vectors - 1)):
        config[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(config)
