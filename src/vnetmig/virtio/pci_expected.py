"""The configuration space that QEMU gives a virtio PCI device, and which of its bits a load compares.

Knows the registers that a destination has before anything is loaded, as far as its own make decides them, and the
masks of qemu: hw/pci/pci.c:get_pci_config_device. What a guest programs (BARs, command, MSI-X enable) is not in it.

Sources: qemu: hw/virtio/virtio-pci.c:virtio_pci_realize, hw/pci/pci.c:pci_init_cmask and pci_add_capability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.virtio.core import QUEUE_MAX

VENDOR = 0x1AF4

#   kind          transitional  modern  PCI class (prog-if, subclass, base)
_KINDS = {
    "virtio-net": (0x1000, 0x1041, (0x00, 0x00, 0x02)),
    "virtio-blk": (0x1001, 0x1042, (0x00, 0x00, 0x01)),
    "virtio-balloon": (0x1002, 0x1045, (0x00, 0xFF, 0x00)),
    "virtio-console": (0x1003, 0x1043, (0x00, 0x80, 0x07)),
    "virtio-scsi": (0x1004, 0x1048, (0x00, 0x00, 0x01)),
    "virtio-rng": (0x1005, 0x1044, (0x00, 0xFF, 0x00)),
}

#   cfg_type (virtio 1.3, 4.1.4), BAR, offset, length, what follows
_VIRTIO_CAPS = (
    (1, 4, 0x0000, 0x1000, b""),  # common
    (3, 4, 0x1000, 0x1000, b""),  # isr
    (4, 4, 0x2000, 0x1000, b""),  # device
    (2, 4, 0x3000, 0x1000, b"\x04\0\0\0"),  # notify: multiplier
    (5, 0, 0x0000, 0x0000, b"\0\0\0\0"),  # pci_cfg: the guest writes all of it but its head
)
_PORT_CAP = (2, 2, 0x0000, 0x0004, b"\0\0\0\0")  # notify by an I/O port, all queues by the same
_HEAD = 4  # of pci_cfg: id, next, length, type

_MSIX_TABLE = (0x00000001).to_bytes(4, "little")  # offset 0 in BAR 1
_MSIX_PENDING = (0x00000801).to_bytes(4, "little")  # offset 0x800 in BAR 1
_MSIX_CONTROL_WRITABLE = 0xC0  # enable, mask all

_PORTS, _MEMORY, _MEMORY_64 = 0x1, 0x0, 0xC
"""Low bits of a BAR: I/O; 32 bits of memory; 64 bits of memory that may be prefetched (PCI 3.0, 6.2.5.1)."""

_LEGACY_REGISTERS = 20  #: bytes in BAR 0 in front of the device's config (virtio 1.3, 4.1.4.10)
_LEGACY_VECTORS = 4  #: and the two vectors behind them, with MSI-X
_MSIX_BAR = 0x1000
_MSIX_HALF = 0x800  #: where the pending bits are, unless the table takes more

_FIRST_CAPABILITY = 0x40
_PM_CAPABILITY = 0x7C
_EXPRESS_FIRST_VIRTIO = 0x84


@dataclass(frozen=True, slots=True)
class Checked:
    """One byte that a load compares: ``value`` under ``mask`` = cmask & ~wmask & ~w1cmask."""

    offset: int
    value: int
    cmask: int = 0xFF
    wmask: int = 0

    @property
    def mask(self) -> int:
        return self.cmask & ~self.wmask


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What a configuration is compared with, lowest offset first; also as one (mask, value), byte 0 lowest."""

    bytes: tuple[Checked, ...]
    mask: int
    value: int


@lru_cache(maxsize=64)
def checked_bytes(
    kind: str,
    *,
    modern: bool,
    legacy: bool,
    express: bool,
    vectors: int,
    ids: tuple[int, int, int] | None = None,
    multifunction: bool = False,
    queue_pages: bool = False,
    port_notify: bool = False,
    config_len: int | None = None,
) -> Expected:
    """The bytes of a ``kind`` device's configuration that must be as they are, lowest offset first.

    ``modern``, ``legacy``: the interfaces that it offers; ``express``: PCI Express, whose own capability is not in
    here; ``vectors``: MSI-X table entries, 0 without. ``ids``: (device id, revision, subsystem id) when they are not
    QEMU's own for that kind. ``queue_pages``: notifications of each queue in a page of its own (page-per-vq).
    ``port_notify``: notifications by an I/O port too (modern-pio-notify).
    ``config_len``: bytes of device config, which decide how large the I/O BAR is; None leaves that BAR out.

    >>> found = checked_bytes("virtio-net", modern=False, legacy=True, express=False, vectors=0)
    >>> [hex(one.offset) for one in found.bytes][:4]
    ['0x0', '0x1', '0x2', '0x3']
    """
    transitional, modern_id, code = _KINDS[kind]
    device, revision = (transitional, 0) if legacy else (modern_id, 1)
    if ids is not None:
        device, revision = ids[0], ids[1]
    offset = _EXPRESS_FIRST_VIRTIO if express else _FIRST_CAPABILITY
    link = _PM_CAPABILITY if express else 0
    capabilities: list[Checked] = []
    listed = (*_VIRTIO_CAPS[:-1], *((_PORT_CAP,) if port_notify else ()), _VIRTIO_CAPS[-1])
    for cfg_type, bar, start, length, more in listed if modern else ():
        if cfg_type == 2 and queue_pages and bar == 4:
            length, more = 0x1000 * QUEUE_MAX, (0x1000).to_bytes(4, "little")
        content = bytes((0x09, link, 16 + len(more), cfg_type, bar, 0, 0, 0))
        content += start.to_bytes(4, "little") + length.to_bytes(4, "little") + more
        writable = 0xFF if cfg_type == 5 else 0
        capabilities += [
            Checked(offset + at, value, wmask=writable if at >= _HEAD and at not in (5, 6, 7) else 0)
            for at, value in enumerate(content)
        ]
        link, offset = offset, offset + len(content)
    if vectors:
        control = (vectors - 1).to_bytes(2, "little")
        content = bytes((0x11, link)) + control + _MSIX_TABLE + _MSIX_PENDING
        capabilities += [
            Checked(offset + at, value, wmask=_MSIX_CONTROL_WRITABLE if at == 3 else 0)
            for at, value in enumerate(content)
        ]
        link = offset
    elif express and not modern:
        link = _PM_CAPABILITY
    header = [
        *_number(0x00, VENDOR, 2),
        *_number(0x02, device, 2),
        Checked(0x06, 0x10 if link else 0, cmask=0x10),
        Checked(0x08, revision),
        *(Checked(0x09 + at, value) for at, value in enumerate(code)),
        Checked(0x0E, 0x80 if multifunction else 0),
        Checked(0x34, link),
    ]
    bars: list[Checked] = []
    if legacy and config_len is not None:
        bars += _bar(0, _PORTS, _LEGACY_REGISTERS + (_LEGACY_VECTORS if vectors else 0) + config_len)
    if vectors:
        pending = max(_MSIX_HALF, 16 * vectors)
        bars += _bar(1, _MEMORY, max(_MSIX_BAR, pending + (vectors + 63) // 64 * 8))
    if modern and port_notify:
        bars += _bar(2, _PORTS, 4)
    if modern:
        bars += _bar(4, _MEMORY_64, 0x3000 + (0x1000 * QUEUE_MAX if queue_pages else 0x1000))
    found = tuple(sorted(header + bars + capabilities, key=lambda one: one.offset))
    mask = sum(one.mask << 8 * one.offset for one in found)
    return Expected(found, mask, sum((one.value & one.mask) << 8 * one.offset for one in found))


def _bar(index: int, kind: int, room: int) -> Iterator[Checked]:
    """A BAR that ``room`` bytes lie behind: its kind is fixed, and the address bits below its size are zero."""
    size = 1 << (room - 1).bit_length()
    width = 8 if kind == _MEMORY_64 else 4
    mask = (-size) % (1 << 8 * width)
    values, writable = kind.to_bytes(width, "little"), mask.to_bytes(width, "little")
    return (
        Checked(0x10 + 4 * index + at, value, wmask=mask)
        for at, (value, mask) in enumerate(zip(values, writable, strict=True))
    )


def first_wrong(expected: Expected, content: bytes) -> Checked | None:
    """The lowest byte of ``content``, a whole configuration, that is not as it must be."""
    if int.from_bytes(content, "little") & expected.mask == expected.value:
        return None
    return next(one for one in expected.bytes if (content[one.offset] ^ one.value) & one.mask)


def _number(offset: int, value: int, size: int) -> Iterator[Checked]:
    return (Checked(offset + at, byte) for at, byte in enumerate(value.to_bytes(size, "little")))
