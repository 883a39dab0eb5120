"""The feature bits of virtio devices: number, name, the QEMU property behind it, the QEMU it came with.

Knows the tables and how to turn bits into names and back. Knows no stream, no device state and no rule:
what a missing feature means for a migration is decided by those who read these tables.

Names are those that QEMU prints (``x-query-virtio-status``, linux uapi headers); where the virtio
specification or vhost has another name for the same bit, ``ALIASES`` takes it too. Bits that no table
has are called ``bit N``, so that ``bits_of(device, names(device, bits)) == bits`` for any bits.

``since`` is the QEMU release whose device first had the property (or, without one, first offered the
bit); None means before 2.0, or never in QEMU itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.errors import FieldError


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature bit. ``property`` is the QEMU device property that offers or withholds it."""

    bit: int
    name: str
    property: str | None
    since: str | None
    meaning: str

    def setting(self, offered: bool) -> str | None:
        """What to add to ``-device`` so that the bit is offered, or is not; capitals stand for a value.

        >>> NET[0].setting(False)
        'csum=off'
        """
        if self.property is None:
            return None
        on, off = SETTINGS.get(self.property, ("on", "off"))
        return f"{self.property}={on if offered else off}"


# virtio 1.3, section 6 (reserved feature bits) and 6.3 (legacy); linux: virtio_config.h, virtio_ring.h;
# properties: qemu: include/hw/virtio/virtio.h:DEFINE_VIRTIO_COMMON_FEATURES
TRANSPORT = (
    Feature(24, "VIRTIO_F_NOTIFY_ON_EMPTY", "notify_on_empty", None, "legacy: interrupt on an empty ring"),
    Feature(26, "VHOST_F_LOG_ALL", None, None, "vhost: log all writes; never seen by the guest"),
    Feature(27, "VIRTIO_F_ANY_LAYOUT", "any_layout", None, "legacy: any split into descriptors"),
    Feature(28, "VIRTIO_RING_F_INDIRECT_DESC", "indirect_desc", None, "indirect descriptor tables"),
    Feature(29, "VIRTIO_RING_F_EVENT_IDX", "event_idx", None, "notifications are suppressed by ring index"),
    Feature(30, "VIRTIO_F_BAD_FEATURE", None, None, "legacy trap: a driver that accepts it accepts blindly"),
    Feature(32, "VIRTIO_F_VERSION_1", "disable-modern", "2.4", "virtio 1, not the legacy interface"),
    Feature(33, "VIRTIO_F_IOMMU_PLATFORM", "iommu_platform", "2.9", "addresses pass the platform's IOMMU"),
    Feature(34, "VIRTIO_F_RING_PACKED", "packed", "4.2", "packed rings"),
    Feature(35, "VIRTIO_F_IN_ORDER", "in_order", "9.1", "buffers are used in the order they came"),
    Feature(36, "VIRTIO_F_ORDER_PLATFORM", None, None, "memory accesses in platform order"),
    Feature(37, "VIRTIO_F_SR_IOV", None, None, "the PCI function has virtual functions"),
    Feature(38, "VIRTIO_F_NOTIFICATION_DATA", None, "9.1", "notifications carry ring state (vhost)"),
    Feature(39, "VIRTIO_F_NOTIF_CONFIG_DATA", None, None, "notifications carry a device value"),
    Feature(40, "VIRTIO_F_RING_RESET", "queue_reset", "7.2", "a queue can be reset on its own"),
    Feature(41, "VIRTIO_F_ADMIN_VQ", None, None, "administration queues"),
)

# virtio 1.3, 5.1.3; linux: virtio_net.h; bits from 64 on: virtio 1.4; properties: qemu: hw/net/virtio-net.c
NET = (
    Feature(0, "VIRTIO_NET_F_CSUM", "csum", None, "device takes packets with a partial checksum"),
    Feature(1, "VIRTIO_NET_F_GUEST_CSUM", "guest_csum", None, "driver takes packets with a partial checksum"),
    Feature(2, "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS", "ctrl_guest_offloads", None, "offloads can change"),
    Feature(3, "VIRTIO_NET_F_MTU", "host_mtu", "2.9", "device tells the MTU"),
    Feature(5, "VIRTIO_NET_F_MAC", None, None, "device has a MAC address"),
    Feature(6, "VIRTIO_NET_F_GSO", "gso", None, "legacy: device takes packets of any GSO type"),
    Feature(7, "VIRTIO_NET_F_GUEST_TSO4", "guest_tso4", None, "driver can receive TSO over IPv4"),
    Feature(8, "VIRTIO_NET_F_GUEST_TSO6", "guest_tso6", None, "driver can receive TSO over IPv6"),
    Feature(9, "VIRTIO_NET_F_GUEST_ECN", "guest_ecn", None, "driver can receive TSO with ECN"),
    Feature(10, "VIRTIO_NET_F_GUEST_UFO", "guest_ufo", None, "driver can receive UFO"),
    Feature(11, "VIRTIO_NET_F_HOST_TSO4", "host_tso4", None, "device can receive TSO over IPv4"),
    Feature(12, "VIRTIO_NET_F_HOST_TSO6", "host_tso6", None, "device can receive TSO over IPv6"),
    Feature(13, "VIRTIO_NET_F_HOST_ECN", "host_ecn", None, "device can receive TSO with ECN"),
    Feature(14, "VIRTIO_NET_F_HOST_UFO", "host_ufo", None, "device can receive UFO"),
    Feature(15, "VIRTIO_NET_F_MRG_RXBUF", "mrg_rxbuf", None, "a packet may fill several receive buffers"),
    Feature(16, "VIRTIO_NET_F_STATUS", "status", None, "link status in the device configuration"),
    Feature(17, "VIRTIO_NET_F_CTRL_VQ", "ctrl_vq", None, "control queue"),
    Feature(18, "VIRTIO_NET_F_CTRL_RX", "ctrl_rx", None, "promiscuous and all-multicast modes, MAC filter"),
    Feature(19, "VIRTIO_NET_F_CTRL_VLAN", "ctrl_vlan", None, "VLAN filter"),
    Feature(20, "VIRTIO_NET_F_CTRL_RX_EXTRA", "ctrl_rx_extra", None, "more receive modes"),
    Feature(21, "VIRTIO_NET_F_GUEST_ANNOUNCE", "guest_announce", None, "driver announces itself on request"),
    Feature(22, "VIRTIO_NET_F_MQ", "mq", None, "several queue pairs"),
    Feature(23, "VIRTIO_NET_F_CTRL_MAC_ADDR", "ctrl_mac_addr", None, "control queue sets the MAC address"),
    Feature(50, "VIRTIO_NET_F_DEVICE_STATS", None, None, "device gives statistics"),
    Feature(51, "VIRTIO_NET_F_HASH_TUNNEL", None, None, "hash over the inner header of tunnelled packets"),
    Feature(52, "VIRTIO_NET_F_VQ_NOTF_COAL", None, None, "notifications are coalesced per queue"),
    Feature(53, "VIRTIO_NET_F_NOTF_COAL", None, None, "notifications are coalesced"),
    Feature(54, "VIRTIO_NET_F_GUEST_USO4", "guest_uso4", "8.2", "driver can receive USO over IPv4"),
    Feature(55, "VIRTIO_NET_F_GUEST_USO6", "guest_uso6", "8.2", "driver can receive USO over IPv6"),
    Feature(56, "VIRTIO_NET_F_HOST_USO", "host_uso", "8.2", "device can receive USO"),
    Feature(57, "VIRTIO_NET_F_HASH_REPORT", "hash", "5.1", "device reports a hash with each packet"),
    Feature(59, "VIRTIO_NET_F_GUEST_HDRLEN", None, None, "driver gives the exact header length"),
    Feature(60, "VIRTIO_NET_F_RSS", "rss", "5.1", "receive-side scaling"),
    Feature(61, "VIRTIO_NET_F_RSC_EXT", "guest_rsc_ext", "4.0", "device reports coalesced segments"),
    Feature(62, "VIRTIO_NET_F_STANDBY", "failover", "4.2", "stands by for a primary device, same MAC"),
    Feature(63, "VIRTIO_NET_F_SPEED_DUPLEX", "speed", "2.12", "device tells link speed and duplex"),
    Feature(64, "VIRTIO_NET_F_RSS_CONTEXT", None, None, "several RSS contexts"),
    Feature(65, "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO", "guest_tunnel", "10.2", "driver: GSO in UDP tunnels"),
    Feature(66, "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM", "guest_tunnel_csum", "10.2", "with outer checksum"),
    Feature(67, "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO", "host_tunnel", "10.2", "device: GSO in UDP tunnels"),
    Feature(68, "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM", "host_tunnel_csum", "10.2", "with outer checksum"),
    Feature(69, "VIRTIO_NET_F_OUT_NET_HEADER", None, None, "driver gives the outer header's offset"),
    Feature(70, "VIRTIO_NET_F_IPSEC", None, None, "IPsec offload"),
)

# virtio 1.3, 5.3.3; linux: virtio_console.h; qemu: hw/char/virtio-serial-bus.c
CONSOLE = (
    Feature(0, "VIRTIO_CONSOLE_F_SIZE", None, None, "columns and rows in the device configuration"),
    Feature(1, "VIRTIO_CONSOLE_F_MULTIPORT", "max_ports", None, "several ports, control queues"),
    Feature(2, "VIRTIO_CONSOLE_F_EMERG_WRITE", "emergency-write", "2.8", "emergency output without a queue"),
)

# virtio 1.3, 5.2.3; linux: virtio_blk.h; qemu: hw/block/virtio-blk.c
BLK = (
    Feature(0, "VIRTIO_BLK_F_BARRIER", None, None, "legacy: request barriers"),
    Feature(1, "VIRTIO_BLK_F_SIZE_MAX", None, None, "largest segment is in size_max"),
    Feature(2, "VIRTIO_BLK_F_SEG_MAX", None, None, "most segments in a request are in seg_max"),
    Feature(4, "VIRTIO_BLK_F_GEOMETRY", None, None, "disk geometry"),
    Feature(5, "VIRTIO_BLK_F_RO", None, None, "read-only; follows the block backend"),
    Feature(6, "VIRTIO_BLK_F_BLK_SIZE", None, None, "block size"),
    Feature(7, "VIRTIO_BLK_F_SCSI", "scsi", None, "legacy: SCSI commands; gone since QEMU 9.1"),
    Feature(9, "VIRTIO_BLK_F_FLUSH", "write-cache", "2.7", "flush command (legacy name: WCE)"),
    Feature(10, "VIRTIO_BLK_F_TOPOLOGY", None, None, "alignment and optimal I/O size"),
    Feature(11, "VIRTIO_BLK_F_CONFIG_WCE", "config-wce", None, "driver can switch writeback on and off"),
    Feature(12, "VIRTIO_BLK_F_MQ", "num-queues", "2.7", "several request queues"),
    Feature(13, "VIRTIO_BLK_F_DISCARD", "discard", "4.0", "discard command"),
    Feature(14, "VIRTIO_BLK_F_WRITE_ZEROES", "write-zeroes", "4.0", "write zeroes command"),
    Feature(15, "VIRTIO_BLK_F_LIFETIME", None, None, "device tells how worn it is"),
    Feature(16, "VIRTIO_BLK_F_SECURE_ERASE", None, None, "secure erase command"),
    Feature(17, "VIRTIO_BLK_F_ZONED", None, "8.1", "zoned storage; follows the block backend"),
)

# virtio 1.3, 5.6.3; linux: virtio_scsi.h; qemu: hw/scsi/virtio-scsi.c
SCSI = (
    Feature(0, "VIRTIO_SCSI_F_INOUT", None, None, "a request may carry data both ways"),
    Feature(1, "VIRTIO_SCSI_F_HOTPLUG", "hotplug", None, "targets come and go with an event"),
    Feature(2, "VIRTIO_SCSI_F_CHANGE", "param_change", None, "changed parameters give an event"),
    Feature(3, "VIRTIO_SCSI_F_T10_PI", None, None, "T10 protection information (vhost-scsi: t10_pi)"),
)

# virtio 1.3, 5.5.3; linux: virtio_balloon.h; qemu: hw/virtio/virtio-balloon.c
BALLOON = (
    Feature(0, "VIRTIO_BALLOON_F_MUST_TELL_HOST", None, None, "driver tells before it uses a page again"),
    Feature(1, "VIRTIO_BALLOON_F_STATS_VQ", None, None, "statistics queue"),
    Feature(2, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM", "deflate-on-oom", "2.4", "deflates when out of memory"),
    Feature(3, "VIRTIO_BALLOON_F_FREE_PAGE_HINT", "free-page-hint", "4.0", "hints at free pages on request"),
    Feature(4, "VIRTIO_BALLOON_F_PAGE_POISON", "page-poison", "5.1", "driver tells its poison value"),
    Feature(5, "VIRTIO_BALLOON_F_REPORTING", "free-page-reporting", "5.1", "reports free pages by itself"),
)

DEVICES: dict[str, tuple[Feature, ...]] = {
    "virtio-net": NET,
    "virtio-console": CONSOLE,
    "virtio-serial": CONSOLE,  # the same device: QMP and the bus call it serial, the section console
    "virtio-blk": BLK,
    "virtio-scsi": SCSI,
    "virtio-balloon": BALLOON,
    "virtio-rng": (),
}

# Properties that are not a plain switch: the values that offer and that withhold the bit.
SETTINGS = {
    "disable-modern": ("off", "on"),
    "host_mtu": ("MTU", "0"),
    "speed": ("MBPS", "-1"),
    "max_ports": ("N", "1"),
    "num-queues": ("N", "1"),
}

ALIASES = {
    "VIRTIO_F_INDIRECT_DESC": "VIRTIO_RING_F_INDIRECT_DESC",  # virtio 1.3, section 6
    "VIRTIO_F_EVENT_IDX": "VIRTIO_RING_F_EVENT_IDX",  # virtio 1.3, section 6
    "VIRTIO_F_ACCESS_PLATFORM": "VIRTIO_F_IOMMU_PLATFORM",  # virtio 1.3, section 6
    "VHOST_USER_F_PROTOCOL_FEATURES": "VIRTIO_F_BAD_FEATURE",  # one bit, two meanings: vhost-user took 30
    "VHOST_NET_F_VIRTIO_NET_HDR": "VIRTIO_F_ANY_LAYOUT",  # one bit, two meanings: linux: vhost.h
    "VIRTIO_BLK_F_WCE": "VIRTIO_BLK_F_FLUSH",  # linux: virtio_blk.h
    # Some QEMU releases print the wrong name here; the text after it is right.
    "VIRTIO_NET_F_GUEST_USO4: Driver can receive USOv6": "VIRTIO_NET_F_GUEST_USO6",
}


@lru_cache(maxsize=64)
def features(device: str) -> tuple[Feature, ...]:
    """All known bits of ``device``, in bit order; of a device without a table, the transport's only."""
    return tuple(sorted(TRANSPORT + DEVICES.get(device, ()), key=lambda feature: feature.bit))


def features_in(device: str, bits: int) -> list[Feature]:
    """The features that are set in ``bits``, in bit order; a bit that no table has is there as "bit N"."""
    known = {feature.bit: feature for feature in features(device)}
    return [
        known.get(bit) or Feature(bit, f"bit {bit}", None, None, "in no table")
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    ]


def names(device: str, bits: int) -> list[str]:
    """The names of the features in ``bits``, in bit order.

    >>> names("virtio-net", 1 << 54 | 1 << 32 | 1 << 47)
    ['VIRTIO_F_VERSION_1', 'bit 47', 'VIRTIO_NET_F_GUEST_USO4']
    """
    return [feature.name for feature in features_in(device, bits)]


def bits_of(device: str, names: Iterable[str]) -> int:
    """The bits of the features called ``names``: names, aliases, "bit N", or QEMU's "NAME: text".

    >>> hex(bits_of("virtio-net", ["VIRTIO_NET_F_GUEST_USO4: Driver can receive USOv4", "bit 3"]))
    '0x40000000000008'
    """
    return _bits_of(device, tuple(names))


@lru_cache(maxsize=256)
def _bits_of(device: str, names: tuple[str, ...]) -> int:
    known = {feature.name: feature.bit for feature in features(device)}
    bits = 0
    for text in names:
        name = text if text in ALIASES else text.partition(":")[0]
        name = ALIASES.get(name, name)
        number = name.removeprefix("bit ")
        if name in known:
            bits |= 1 << known[name]
        elif number != name and number.isdecimal() and len(number) <= 3:
            bits |= 1 << int(number)
        else:
            raise FieldError(f"{device} has no feature called {text!r}")
    return bits


def describe(device: str, bits: int) -> list[str]:
    """One line for each feature in ``bits``: bit, name, meaning, and how QEMU switches it.

    >>> describe("virtio-net", 1 << 54)
    ['54 VIRTIO_NET_F_GUEST_USO4: driver can receive USO over IPv4 (guest_uso4, QEMU 8.2)']
    """
    lines = []
    for feature in features_in(device, bits):
        origin = [feature.property or "", f"QEMU {feature.since}" if feature.since else ""]
        note = ", ".join(part for part in origin if part)
        lines.append(f"{feature.bit} {feature.name}: {feature.meaning}" + (f" ({note})" if note else ""))
    return lines
