"""A byte of PCI config space by its name, and what the masks of a refused one say.

Knows the header's registers and QEMU's masks: cmask, which bits are compared; wmask, which the guest may write;
w1cmask, which it may clear (qemu: hw/pci/pci.c:get_pci_config_device). Knows no stream.
"""

from __future__ import annotations

from collections.abc import Mapping

from vnetmig.virtio.pci_header import BRIDGE, ENDPOINT, HEADER, Layout

WORDS = {
    "vendor_id": "another vendor's device",
    "device_id": "another device, or the same as transitional (0x10xx) here and modern (0x104x) there",
    "revision_id": "revision 0 is transitional, 1 is virtio 1 only",
    "status": "bit 4 is: there is a capability list",
    "prog_if": "another programming interface",
    "subclass": "another class of device",
    "base_class": "another class of device",
    "header_type": "bit 7 is: several functions in this slot",
    "subsystem_vendor_id": "another maker's board",
    "subsystem_id": "another board; a machine type may set it",
    "capabilities_pointer": "the capability list begins elsewhere: MSI-X or PCI Express on one side only",
    "interrupt_pin": "INTx on one side only",
    "expansion_rom_base": "the option ROM has another size: romfile= or the package that brings it",
}

_BRIDGES = ("pci-bridge", "pcie-root-port", "pcie_pci_bridge", "ioh3420", "x3130", "xio3130", "PCIBridge")


def register(index: int, device: str | None = None) -> str:
    """The register that byte ``index`` belongs to.

    >>> register(0x10), register(0x2f), register(0x84)
    ('bar0, byte 0', 'subsystem_id, byte 1', 'a capability (0x40 to 0xff)')
    """
    rest: Layout = BRIDGE if device is not None and any(name in device for name in _BRIDGES) else ENDPOINT
    for offset, size, name in HEADER + rest:
        if offset <= index < offset + size:
            return f"{name}, byte {index - offset}" if size > 1 else name
    if index >= 0x100:
        return "an extended capability of PCI Express (0x100 and above)"
    return "a capability (0x40 to 0xff)" if index >= 0x40 else "a reserved byte"


def bad_config(values: Mapping[str, int], device: str | None) -> tuple[str, ...]:
    """Which register differs, in which bits, and what that usually is."""
    index, read, local = values["index"], values["read"], values["device"]
    wrong = (read ^ local) & values["cmask"] & ~values["wmask"] & ~values["w1cmask"] & 0xFF
    name = register(index, device)
    told = [
        f"byte {index:#x} of config space is {name}: the stream has {read:#04x}, the destination {local:#04x}",
        (
            f"of these, bits {wrong:#04x} must be the same: cmask {values['cmask']:#x} says which are compared, wmask "
            f"{values['wmask']:#x} and w1cmask {values['w1cmask']:#x} which the guest may change"
        ),
    ]
    if name.startswith("bar") and wrong:
        told.append(_bar(name, read, values["wmask"]))
    plain = name.partition(",")[0]
    if plain in WORDS:
        told.append(f"{plain}: {WORDS[plain]}")
    return tuple(told)


def _bar(name: str, read: int, wmask: int) -> str:
    bar, _, byte = name.partition(", byte ")
    shift = 8 * int(byte or 0)
    if wmask and (read & ~wmask & 0xF0 if shift == 0 else read & ~wmask):
        low = read & ~wmask & (0xF0 if shift == 0 else 0xFF)
        return (
            f"{bar} is smaller at the source: its address is a multiple of {(low & -low) << shift:#x}, the "
            f"destination's of {(wmask & -wmask) << shift:#x}"
        )
    return f"{bar} is of another kind or size on the two sides (bit 0: I/O, bits 1-2: 64 bit, bit 3: prefetchable)"
