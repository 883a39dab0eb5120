"""Which feature bits a virtio device offers to its guest.

Knows how properties, transport and backend make up the bits (qemu: hw/virtio/virtio.c, hw/net/virtio-net.c:
virtio_net_get_features and the like of the other devices); the properties are in ``properties.py``, what a backend can
in ``net_backend.py``. Knows no command line and no stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vnetmig.analysis.profile.net_backend import Backend, Host
from vnetmig.analysis.profile.properties import TUNNEL, UFO, USO, VNET_HDR, Settings, properties
from vnetmig.virtio.features import bits_of, features

PCI: Final = "pci"
MMIO: Final = "mmio"


@dataclass(frozen=True, slots=True)
class Transport:
    """How the guest reaches the device. ``express``: behind a PCI Express port."""

    type: str = PCI
    express: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """``bits``: all that is offered; ``assumed``: those of them that a kernel or another process may withhold."""

    bits: int
    assumed: int = 0
    words: tuple[str, ...] = ()


VERSION_1: Final = 1 << 32
BAD_FEATURE: Final = 1 << 30

# What QEMU asks vhost-net for (qemu: hw/net/vhost_net.c:kernel_feature_bits): what that does not have (linux:
# drivers/vhost/net.c:VHOST_NET_FEATURES) is taken from the offer, whatever the properties say. By reading only.
_VHOST_NEVER = bits_of("virtio-net", ["VIRTIO_F_RING_PACKED", "VIRTIO_NET_F_HASH_REPORT", "VIRTIO_NET_F_RSC_EXT"])
_VHOST_ALWAYS = bits_of("virtio-net", ["VIRTIO_NET_F_MRG_RXBUF", "bit 24", "bit 28", "bit 29", "bit 32"])
_VHOST_BY_KERNEL = bits_of("virtio-net", ["VIRTIO_F_RING_RESET", "VIRTIO_F_IN_ORDER", "VIRTIO_F_IOMMU_PLATFORM"])
ASKED_OF_VHOST: Final = _VHOST_NEVER | _VHOST_BY_KERNEL | _VHOST_ALWAYS
_RSS = bits_of("virtio-net", ["VIRTIO_NET_F_RSS"])
_ALWAYS_OURS = bits_of("virtio-net", ["VIRTIO_NET_F_MAC"]) | BAD_FEATURE

_WORDS = {
    UFO: "the kernel's tap takes UFO (TUN_F_UFO)",
    USO: "the kernel's tap takes USO (TUN_F_USO4 and 6: Linux 6.2)",
    TUNNEL: "the kernel's tap takes GSO in UDP tunnels (TUN_F_UDP_TUNNEL_GSO: Linux 6.17)",
}


def modern(settings: Settings, transport: Transport) -> bool:
    """Has it the interface of virtio 1 (feature VERSION_1)?"""
    if transport.type == MMIO:
        return not settings.on("force-legacy")
    if transport.type == PCI:
        return settings.release.since("2.4") and not settings.on("disable-modern")
    return True


def legacy(settings: Settings, transport: Transport) -> bool:
    """Has a PCI device the legacy interface?"""
    word = settings.text("disable-legacy")
    return not (transport.express if word == "auto" else settings.on("disable-legacy"))


def property_bits(settings: Settings) -> int:
    """The bits that the properties ask for, whatever becomes of them; the configuration's length follows them."""
    bits = 0
    for feature in features(settings.kind):
        name = feature.property
        if name is not None and name not in _NOT_SWITCHES and name in settings.table and settings.on(name):
            bits |= 1 << feature.bit
    for name in _special(settings):
        bits |= bits_of(settings.kind, [name])
    return bits


# Properties in virtio.features that are no plain switch of the bit; _special has their rules.
_NOT_SWITCHES = frozenset({"disable-modern", "host_mtu", "speed", "max_ports", "num-queues", "write-cache", "scsi"})


def _special(settings: Settings) -> Iterator[str]:
    kind = settings.kind
    if kind == "virtio-net":
        yield "VIRTIO_NET_F_MAC"
        if settings.known("host_mtu") and settings.number("host_mtu"):
            yield "VIRTIO_NET_F_MTU"
        if settings.known("speed") and (settings.number("speed") != -1 or settings.text("duplex")):
            yield "VIRTIO_NET_F_SPEED_DUPLEX"
    elif kind == "virtio-console":
        if settings.number("max_ports") != 1:
            yield "VIRTIO_CONSOLE_F_MULTIPORT"
    elif kind == "virtio-balloon":
        yield "VIRTIO_BALLOON_F_STATS_VQ"
    elif kind == "virtio-blk":
        yield from (f"VIRTIO_BLK_F_{name}" for name in ("SEG_MAX", "GEOMETRY", "TOPOLOGY", "BLK_SIZE"))
        if settings.text("write-cache") != "off" or (
            settings.on("config-wce") and settings.on("x-enable-wce-if-config-wce")
        ):
            yield "VIRTIO_BLK_F_FLUSH"


def host_features(
    settings: Settings,
    transport: Transport,
    backend: Backend | None = None,
    host: Host | None = None,
    *,
    queues: int = 1,
    read_only: bool = False,
) -> Offer:
    """What a device offers. ``backend``: of a NIC; ``queues``, ``read_only``: of a disk."""
    bits = property_bits(settings)
    if modern(settings, transport):
        bits |= VERSION_1
    if transport.type == PCI:
        bits |= BAD_FEATURE
    if settings.kind == "virtio-blk":
        bits = _blk(bits, queues, read_only)
    if settings.kind == "virtio-net":
        return _net(bits, settings, backend or Backend(), host)
    return Offer(bits)


def _blk(bits: int, queues: int, read_only: bool) -> int:
    if queues > 1:
        bits |= bits_of("virtio-blk", ["VIRTIO_BLK_F_MQ"])
    if read_only:
        bits |= bits_of("virtio-blk", ["VIRTIO_BLK_F_RO"])
    if not bits & VERSION_1:  # qemu: hw/block/virtio-blk.c:virtio_blk_get_features
        bits = bits & ~bits_of("virtio-blk", ["VIRTIO_F_ANY_LAYOUT"]) | bits_of("virtio-blk", ["VIRTIO_BLK_F_SCSI"])
    return bits


def bits_needing(kind: str, what: str) -> int:
    """The features of a kind of device that need ``what`` of its backend."""
    names = {name for name, line in properties(kind).items() if line.needs == what}
    return sum(1 << feature.bit for feature in features(kind) if feature.property in names)


def _net(bits: int, settings: Settings, backend: Backend, host: Host | None) -> Offer:
    """qemu: hw/net/virtio-net.c:virtio_net_get_features."""
    words = []
    assumed = 0
    can, proved = backend.can(host), backend.proved(host)
    for what in (VNET_HDR, UFO, USO, TUNNEL):
        needing = bits_needing(settings.kind, what)
        if what not in can:
            bits &= ~needing
        elif what not in proved and bits & needing and not backend.outside:
            assumed |= bits & needing
            words.append(_WORDS[what])
    if TUNNEL in can and host is not None and host.tunnel_csum is False:
        bits &= ~bits_of("virtio-net", [f"VIRTIO_NET_F_{side}_UDP_TUNNEL_GSO_CSUM" for side in ("GUEST", "HOST")])
    if backend.outside:
        words.append(f"the {backend.type} backend has every feature that QEMU {settings.release} knows")
        return Offer(bits, bits & ~_ALWAYS_OURS, tuple(words))
    if not backend.vhost:
        return Offer(bits, assumed, tuple(words))
    bits &= ~_VHOST_NEVER
    if host is not None and host.vhost_features is not None:
        bits &= ~(ASKED_OF_VHOST & ~host.vhost_features)
    elif by_kernel := bits & _VHOST_BY_KERNEL:
        assumed |= by_kernel
        words.append("vhost-net of the kernel has every ring feature that is asked of it")
    if bits & _RSS:
        assumed |= _RSS
        words.append("QEMU may load its eBPF program for RSS: with vhost it offers RSS only then")
    return Offer(bits, assumed, tuple(words))
