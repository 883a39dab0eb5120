"""What a virtio device is besides its features: queues, MSI-X vectors, PCI identity, lengths of its configuration.

Knows the rules of QEMU's devices as functions of their settings. Knows no command line and no stream.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from vnetmig.analysis.profile.host_features import Transport, legacy, modern, property_bits
from vnetmig.analysis.profile.net_backend import Backend
from vnetmig.analysis.profile.properties import Settings
from vnetmig.analysis.release import Release
from vnetmig.virtio.features import bits_of

QUEUE_SIZE_MAX: Final = 1024
VECTORS_MAX: Final = 2048
PORTS_MAX: Final = 512

# virtio 1.3, 5: device numbers; transitional PCI ids: 4.1.2.1
#                 number  transitional device id
_IDS: Final = {
    "virtio-net": (1, 0x1000),
    "virtio-blk": (2, 0x1001),
    "virtio-console": (3, 0x1003),
    "virtio-rng": (4, 0x1005),
    "virtio-balloon": (5, 0x1002),
    "virtio-scsi": (8, 0x1004),
}
_MODERN_ID: Final = 0x1040
_MODERN_SUBSYSTEM: Final = 0x1100

# device configuration: (offset behind it, one of these features was asked for)
_NET_CONFIG: Final = (
    (6, "VIRTIO_NET_F_MAC"),
    (8, "VIRTIO_NET_F_STATUS"),
    (10, "VIRTIO_NET_F_MQ"),
    (12, "VIRTIO_NET_F_MTU"),
    (17, "VIRTIO_NET_F_SPEED_DUPLEX"),
    (24, "VIRTIO_NET_F_RSS"),
    (24, "VIRTIO_NET_F_HASH_REPORT"),
)
_BLK_CONFIG: Final = (
    (36, "VIRTIO_BLK_F_SEG_MAX"),
    (48, "VIRTIO_BLK_F_DISCARD"),
    (57, "VIRTIO_BLK_F_WRITE_ZEROES"),
)


def always_largest_queues(release: Release) -> bool:
    """Has this QEMU every virtqueue of every device with 1024 entries? Seen in 10.0.13, not in 10.0.2 nor 11.1."""
    return (release.major, release.minor) == (10, 0) and release.stable >= 13


def request_queues(settings: Settings, cpus: int) -> int:
    """Queues of a virtio-blk or virtio-scsi that carry requests; "auto" is one for each CPU."""
    name = "num-queues" if settings.kind == "virtio-blk" else "num_queues"
    return max(1, min(settings.number(name) or cpus, QUEUE_SIZE_MAX))


def queue_sizes(settings: Settings, cpus: int, pairs: int = 1) -> tuple[int, ...]:
    """Entries of each virtqueue as the device makes it, before a driver asks for anything."""
    sizes = _queue_sizes(settings, cpus)
    if settings.kind == "virtio-net" and not settings.release.since("7.2"):  # seen in 5.2; 7.2 makes one pair at first
        sizes = sizes[:2] * pairs + sizes[2:]
    return (QUEUE_SIZE_MAX,) * len(sizes) if always_largest_queues(settings.release) else sizes


def _queue_sizes(settings: Settings, cpus: int) -> tuple[int, ...]:
    def size(name: str) -> int:
        return max(0, min(settings.number(name) or 0, QUEUE_SIZE_MAX))

    kind = settings.kind
    if kind == "virtio-net":
        return size("rx_queue_size"), size("tx_queue_size"), 64
    if kind == "virtio-console":
        ports = max(1, min(settings.number("max_ports") or 1, PORTS_MAX))
        return (128, 128, 32, 32) + (128, 128) * (ports - 1)
    if kind == "virtio-blk":
        return (size("queue-size"),) * request_queues(settings, cpus)
    if kind == "virtio-scsi":
        return (size("virtqueue_size"),) * (2 + request_queues(settings, cpus))
    if kind == "virtio-balloon":
        hint = (QUEUE_SIZE_MAX,) if settings.on("free-page-hint") else ()
        reporting = (32,) if settings.on("free-page-reporting") else ()
        return (128, 128, 128, *hint, *reporting)
    return (8,)


def vectors(settings: Settings, cpus: int, pairs: int = 1) -> int | None:
    """MSI-X vectors of a PCI device."""
    number = settings.number("vectors")
    if number is not None:
        return max(0, min(number, VECTORS_MAX))
    if settings.kind == "virtio-net":
        return 2 * pairs + 2
    if settings.kind == "virtio-blk":
        return request_queues(settings, cpus) + 1
    if settings.kind == "virtio-scsi":
        return request_queues(settings, cpus) + 3
    return None


def config_len(settings: Settings) -> int:
    """Bytes of the device configuration; they follow what the properties ask for, not what a backend leaves of it."""
    kind = settings.kind
    bits = property_bits(settings)

    def end(table: tuple[tuple[int, str], ...]) -> int:
        return max(length for length, name in table if bits & bits_of(kind, [name]))

    if kind == "virtio-net":
        return end(_NET_CONFIG)
    if kind == "virtio-blk":
        return end(_BLK_CONFIG)
    if kind == "virtio-console":
        return 12 if bits & bits_of(kind, ["VIRTIO_CONSOLE_F_EMERG_WRITE"]) else 8
    if kind == "virtio-scsi":
        return 36
    if kind == "virtio-balloon":
        if settings.on("qemu-4-0-config-size") or settings.on("page-poison"):
            return 16
        return 12 if settings.on("free-page-hint") else 8
    return 0


@lru_cache(maxsize=256)
def not_asked_for(kind: str, length: int) -> int:
    """Features that a device with a device configuration of ``length`` bytes cannot have been asked for."""
    table = {"virtio-net": _NET_CONFIG, "virtio-blk": _BLK_CONFIG}.get(kind, ())
    bits = 0
    for end, name in table:
        if end > length:
            bits |= bits_of(kind, [name])
    return bits


def config_size(settings: Settings, transport: Transport) -> int:
    """Bytes of PCI config space: 4096 of a modern device behind an Express port (qemu: virtio_pci_realize)."""
    express = transport.express and modern(settings, transport) and not settings.on("x-disable-pcie")
    return 4096 if express else 256


def pci_ids(settings: Settings, transport: Transport) -> tuple[int, int, int] | None:
    """Device id, revision, subsystem id."""
    if settings.kind not in _IDS:
        return None
    number, transitional = _IDS[settings.kind]
    if legacy(settings, transport):
        return transitional, 0, number
    return _MODERN_ID + number, 1, _MODERN_SUBSYSTEM


def queue_pairs(backend: Backend) -> int:
    """Pairs of a NIC: its backend's queues, whether mq is on or not."""
    return max(1, backend.pairs)
