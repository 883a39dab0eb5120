"""The MSI-X table and pending bits, as the PCI device keeps them.

Knows the layout of both (PCI 3.0, 6.8.2; QEMU sends them byte for byte: hw/pci/msix.c:msix_save). Does
not know how many vectors there are: the length says it.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.virtio.cover import cover
from vnetmig.vmstate.overlay import Register

ENTRY_SIZE = 16

ENTRY = (
    (0x0, 4, "address_lo"),
    (0x4, 4, "address_hi"),
    (0x8, 4, "data"),
    (0xC, 4, "vector_control"),  # bit 0: masked
)


def msix_table_registers(length: int) -> tuple[Register, ...]:
    """The registers of an MSI-X table of ``length`` bytes: ``table[i].address_lo``..., all little-endian."""

    def entries() -> Iterator[Register]:
        for base in range(0, length, ENTRY_SIZE):
            for offset, size, name in ENTRY:
                yield Register(f"table[{base // ENTRY_SIZE}].{name}", base + offset, size)

    return cover(entries(), length)


def msix_pending_registers(length: int) -> tuple[Register, ...]:
    """The pending bits, byte by byte: bit b of ``pending[i]`` belongs to vector 8 * i + b.

    The specification counts in 64-bit words; QEMU sends only as many bytes as the vectors need.
    """
    return tuple(Register(f"pending[{index}]", index, 1) for index in range(length))
