"""The PCI configuration space of a virtio-net-pci device as firmware and a driver leave it.

Knows the registers of one transitional device (virtio 1.3, 4.1; qemu: hw/virtio/virtio-pci.c:virtio_pci_realize); what
a configuration space is in general stands in virtio.pci_config.
"""

from __future__ import annotations

from vnetmig.virtio.pci_config import CONFIG_SIZE

_MSIX_MESSAGE_CONTROL = 0x9A
_MSIX_ENABLE = 0x8000

#    offset  size  value
_REGISTERS = (
    (0x00, 2, 0x1AF4),  # vendor: virtio
    (0x02, 2, 0x1000),  # device: network card, transitional
    (0x04, 2, 0x0507),  # command: I/O, memory, bus master, SERR, INTx off
    (0x06, 2, 0x0010),  # status: capability list
    (0x0B, 1, 0x02),  # base class: network
    (0x10, 4, 0x0000C0C1),  # BAR 0: I/O
    (0x14, 4, 0xFEBF2000),  # BAR 1: MSI-X
    (0x20, 4, 0xFE00400C),  # BAR 4: the modern registers
    (0x2C, 2, 0x1AF4),
    (0x2E, 2, 0x0001),
    (0x34, 1, 0x98),  # the capability list
    (0x3C, 1, 0x0B),
    (0x3D, 1, 0x01),
    (0x40, 4, 0x01100009),  # virtio_common_cfg
    (0x44, 4, 0x00000004),
    (0x4C, 4, 0x00001000),
    (0x50, 4, 0x03104009),  # virtio_isr_cfg
    (0x54, 4, 0x00000004),
    (0x58, 4, 0x00001000),
    (0x5C, 4, 0x00001000),
    (0x60, 4, 0x04105009),  # virtio_device_cfg
    (0x64, 4, 0x00000004),
    (0x68, 4, 0x00002000),
    (0x6C, 4, 0x00001000),
    (0x70, 4, 0x02146009),  # virtio_notify_cfg
    (0x74, 4, 0x00000004),
    (0x78, 4, 0x00003000),
    (0x7C, 4, 0x00001000),
    (0x80, 4, 0x00000004),
    (0x84, 4, 0x05147009),  # virtio_pci_cfg
    (0x98, 2, 0x8411),  # MSI-X
    (0x9C, 4, 0x00000001),
    (0xA0, 4, 0x00000801),
)


def pci_config(vectors: int) -> bytes:
    """The 256 bytes of a device with ``vectors`` MSI-X vectors (1 to 2048), enabled."""
    config = bytearray(CONFIG_SIZE)
    for offset, size, value in (*_REGISTERS, (_MSIX_MESSAGE_CONTROL, 2, _MSIX_ENABLE | vectors - 1)):
        config[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(config)
