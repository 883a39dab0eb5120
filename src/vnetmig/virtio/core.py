"""The virtio core: what every virtio device section holds around the device's own part.

Source: qemu: hw/virtio/virtio.c:virtio_save and the vmstate_virtio_* subsections. The blob is hand-written
in QEMU, so a stream's own description shows it as one opaque field; here it is a table.
Knows transports (pci, mmio) and queues; knows no single device.
"""

from __future__ import annotations

from vnetmig.virtio.device_config import device_config_registers
from vnetmig.virtio.msix import msix_pending_registers, msix_table_registers
from vnetmig.virtio.pci_config import pci_config_registers
from vnetmig.vmstate import (
    BUFFER,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    UNUSED,
    Expr,
    Field,
    Param,
    Ref,
    Register,
    Struct,
    Vmsd,
)
from vnetmig.vmstate.description import Item, Overlay

QUEUE_MAX = 1024
"""VIRTIO_QUEUE_MAX: queues of one device, and slots of every per-queue array on the wire."""

CONFIG_MAX = 64 * 1024
"""Bytes of a device's config space; the largest real one is under 100, QEMU hangs or crashes on absurd ones."""

IS_MMIO: Expr = Param("mmio")
_VECTORS: Expr = Param("vectors")
HAS_MSIX: Expr = _VECTORS != 0


def subsection(name: str, fields: tuple[Item, ...], subsections: tuple[Vmsd, ...] = ()) -> Vmsd:
    """A subsection of version 1, which is also the oldest that is read."""
    return Vmsd(name, 1, fields, subsections, minimum_version=1)


PCI_DEVICE = Vmsd(
    "PCIDevice",
    2,
    (
        Field("version_id", UINT32),
        Field("config", BUFFER, Param("config_size"), overlay=pci_config_registers),
        Field("irq_state", UINT32, 4),
    ),
)

_QUEUE = Vmsd(
    "virtqueue",
    0,
    (
        Field("num", UINT32),
        Field("align", UINT32, when=IS_MMIO),
        Field("desc", UINT64),
        Field("last_avail_idx", UINT16),
        Field("vector", UINT16, when=HAS_MSIX),
    ),
)


def _msix_table(data: bytes) -> tuple[Register, ...]:
    return msix_table_registers(len(data))


def _msix_pending(data: bytes) -> tuple[Register, ...]:
    return msix_pending_registers(len(data))


def _transport() -> tuple[Item, ...]:
    on_pci = ~IS_MMIO
    return (
        Struct("pci", PCI_DEVICE, when=on_pci),
        Field("msix", BUFFER, _VECTORS * 16, when=on_pci & HAS_MSIX, overlay=_msix_table),
        Field("msix_pba", BUFFER, (_VECTORS + 7) // 8, when=on_pci & HAS_MSIX, overlay=_msix_pending),
        Field("config_vector", UINT16, when=on_pci & HAS_MSIX),
        Field("host_features_sel", UINT32, when=IS_MMIO),
        Field("guest_features_sel", UINT32, when=IS_MMIO),
        Field("guest_page_shift", UINT32, when=IS_MMIO),
    )


def _config_overlay(device: str) -> Overlay:
    return lambda data: device_config_registers(device, len(data))


def _core(device: str) -> tuple[Item, ...]:
    return (
        Field("status", UINT8),
        Field("isr", UINT8),
        Field("queue_sel", UINT16),
        Field("guest_features_low", UINT32),
        Field("config_len", UINT32),
        Field("config", BUFFER, Ref("config_len"), limit=CONFIG_MAX, overlay=_config_overlay(device)),
        Field("num_queues", UINT32),
        Struct("vq", _QUEUE, Ref("num_queues"), limit=QUEUE_MAX, complaint="Invalid number of virtqueues: {got:#x}"),
    )


# virtio subsections, in declared order (qemu: hw/virtio/virtio.c:vmstate_virtio)

_DEVICE_ENDIAN = subsection("virtio/device_endian", (Field("device_endian", UINT8),))
_FEATURES_128 = subsection("virtio/128bit_features", (Field("guest_features_high", UINT64),))
_FEATURES_64 = subsection("virtio/64bit_features", (Field("guest_features", UINT64),))
_VIRTQUEUES = subsection(
    "virtio/virtqueues",
    (Struct("vq", Vmsd("virtqueue_state", 1, (Field("avail", UINT64), Field("used", UINT64))), QUEUE_MAX),),
)
_RINGSIZE = subsection(
    "virtio/ringsize", (Struct("vq", Vmsd("ringsize_state", 1, (Field("num_default", UINT32),)), QUEUE_MAX),)
)
_BROKEN = subsection("virtio/broken", (Field("broken", UINT8),))
_STARTED = subsection("virtio/started", (Field("started", UINT8),))
_PACKED = subsection(
    "virtio/packed_virtqueues",
    (
        Struct(
            "vq",
            Vmsd(
                "packed_virtqueue_state",
                1,
                (
                    Field("last_avail_idx", UINT16),
                    Field("last_avail_wrap_counter", UINT8),
                    Field("used_idx", UINT16),
                    Field("used_wrap_counter", UINT8),
                    Field("inuse", UINT32),
                ),
            ),
            QUEUE_MAX,
        ),
    ),
)
_DISABLED = subsection("virtio/disabled", (Field("disabled", UINT8),))

_MODERN_QUEUE = Vmsd(
    "virtio_pci/modern_queue_state",
    1,
    (
        Field("num", UINT16),
        Field("unused", UNUSED, 1),
        Field("enabled", UINT8),
        Field("desc", UINT32, 2),
        Field("avail", UINT32, 2),
        Field("used", UINT32, 2),
    ),
)
_MODERN_FEATURES_128 = subsection(
    "virtio_pci/modern_state/features128", (Field("guest_features_2", UINT32), Field("guest_features_3", UINT32))
)
_MODERN = subsection(
    "virtio_pci/modern_state",
    (
        Field("dfselect", UINT32),
        Field("gfselect", UINT32),
        Field("guest_features", UINT32, 2),
        Struct("vqs", _MODERN_QUEUE, QUEUE_MAX),
    ),
    (_MODERN_FEATURES_128,),
)
_VIRTIO_PCI = Vmsd("virtio_pci", 1, (), (_MODERN,))

_MMIO_QUEUE = Vmsd(
    "virtio_mmio/queue_state",
    1,
    (
        Field("num", UINT16),
        Field("enabled", UINT8),
        Field("desc", UINT32, 2),
        Field("avail", UINT32, 2),
        Field("used", UINT32, 2),
    ),
)
_MMIO_STATE = subsection(
    "virtio_mmio/state", (Field("guest_features", UINT32, 2), Struct("vqs", _MMIO_QUEUE, QUEUE_MAX))
)
_VIRTIO_MMIO = Vmsd("virtio_mmio", 1, (), (_MMIO_STATE,))

_EXTRA_STATE = subsection(
    "virtio/extra_state",
    (Struct("pci", _VIRTIO_PCI, when=~IS_MMIO), Struct("mmio", _VIRTIO_MMIO, when=IS_MMIO)),
)

_SUBSECTIONS = (
    _DEVICE_ENDIAN,  # not the target's default endianness
    _FEATURES_128,  # host features above bit 63; QEMU 10.2
    _FEATURES_64,  # host features above bit 31
    _VIRTQUEUES,  # host offers VERSION_1
    _RINGSIZE,  # a ring size differs from its default
    _BROKEN,
    _EXTRA_STATE,  # the bus has some: PCI always, mmio unless legacy
    _STARTED,
    _PACKED,  # host offers RING_PACKED
    _DISABLED,  # bus mastering is off
)


def device_section(
    name: str, version: int, device: tuple[Item, ...] = (), *, minimum_version: int | None = None
) -> Vmsd:
    """The section of virtio device ``name``: transport, core, ``device``'s own part, virtio subsections.

    Parameters of its program: ``mmio`` (0 PCI, 1 mmio), ``config_size`` (PCI config space: 256, or 4096 when
    PCI Express), ``vectors`` (MSI-X table entries, 0 without MSI-X), and those of the device's part.
    """
    virtio = Vmsd("virtio", 1, (), _SUBSECTIONS)
    return Vmsd(
        name,
        version,
        (*_transport(), *_core(name), *device, Struct("", virtio)),
        minimum_version=version if minimum_version is None else minimum_version,
    )
