"""What a virtio-net device is from the host's side: the properties it was created with.

Knows what is not in the stream because both sides are configured alike (qemu:
hw/net/virtio-net.c:virtio_net_properties), and what the config space looks like that follows from it. Knows no state.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vnetmig.virtio.features import bits_of

RSS_KEY_MAX = 40
RSS_TABLE_MAX = 128
RSS_HASH_TYPES = 0x1FF  # IPv4, TCPv4, UDPv4, IPv6, TCPv6, UDPv6 and the three with extension headers

RX_QUEUE_SIZE = TX_QUEUE_SIZE = 256
CTRL_QUEUE_SIZE = 64

S_LINK_UP, S_ANNOUNCE = 1, 2  # virtio 1.3, 5.1.4: config status


def _bit(name: str) -> int:
    return bits_of("virtio-net", [name])


CSUM = _bit("VIRTIO_NET_F_CSUM")
GUEST_CSUM = _bit("VIRTIO_NET_F_GUEST_CSUM")
CTRL_GUEST_OFFLOADS = _bit("VIRTIO_NET_F_CTRL_GUEST_OFFLOADS")
MTU = _bit("VIRTIO_NET_F_MTU")
MAC = _bit("VIRTIO_NET_F_MAC")
MRG_RXBUF = _bit("VIRTIO_NET_F_MRG_RXBUF")
STATUS = _bit("VIRTIO_NET_F_STATUS")
CTRL_VQ = _bit("VIRTIO_NET_F_CTRL_VQ")
CTRL_RX = _bit("VIRTIO_NET_F_CTRL_RX")
CTRL_VLAN = _bit("VIRTIO_NET_F_CTRL_VLAN")
CTRL_RX_EXTRA = _bit("VIRTIO_NET_F_CTRL_RX_EXTRA")
GUEST_ANNOUNCE = _bit("VIRTIO_NET_F_GUEST_ANNOUNCE")
MQ = _bit("VIRTIO_NET_F_MQ")
CTRL_MAC_ADDR = _bit("VIRTIO_NET_F_CTRL_MAC_ADDR")
HASH_REPORT = _bit("VIRTIO_NET_F_HASH_REPORT")
RSS = _bit("VIRTIO_NET_F_RSS")
SPEED_DUPLEX = _bit("VIRTIO_NET_F_SPEED_DUPLEX")
INDIRECT_DESC = _bit("VIRTIO_RING_F_INDIRECT_DESC")
EVENT_IDX = _bit("VIRTIO_RING_F_EVENT_IDX")
VERSION_1 = _bit("VIRTIO_F_VERSION_1")
RING_PACKED = _bit("VIRTIO_F_RING_PACKED")

GUEST_OFFLOADS = bits_of(
    "virtio-net",
    [
        "VIRTIO_NET_F_GUEST_CSUM",
        "VIRTIO_NET_F_GUEST_TSO4",
        "VIRTIO_NET_F_GUEST_TSO6",
        "VIRTIO_NET_F_GUEST_ECN",
        "VIRTIO_NET_F_GUEST_UFO",
        "VIRTIO_NET_F_GUEST_USO4",
        "VIRTIO_NET_F_GUEST_USO6",
    ],
)
"""Offloads that CTRL_GUEST_OFFLOADS can switch (qemu: virtio_net_guest_offloads_by_features)."""

OFFERED = (
    CSUM | GUEST_OFFLOADS & 0xFFFFFFFF | CTRL_GUEST_OFFLOADS | MTU | MAC | MRG_RXBUF | STATUS
    | CTRL_VQ | CTRL_RX | CTRL_VLAN | CTRL_RX_EXTRA | GUEST_ANNOUNCE | CTRL_MAC_ADDR | HASH_REPORT | RSS
    | SPEED_DUPLEX | INDIRECT_DESC | EVENT_IDX | VERSION_1
)  # fmt: skip
"""What a device offers when nobody says otherwise; MQ and RING_PACKED are added as asked for."""

FIRST_MAC = b"\x52\x54\x00\x12\x34\x56"
"""What QEMU gives the first NIC that has no address of its own."""

_CONFIG = struct.Struct("<6sHHHIBBHI")

#            offered feature  bytes of config space that it needs (qemu: feature_sizes)
_CONFIG_ENDS = (
    (MAC, 6),
    (STATUS, 8),
    (MQ, 10),
    (MTU, 12),
    (SPEED_DUPLEX, 17),
    (RSS | HASH_REPORT, 24),
)


@dataclass(frozen=True, slots=True)
class Properties:
    """One device's properties. ``mac`` is what a reset gives it back; ``speed`` in Mbit/s, -1 unknown."""

    queue_pairs: int = 1
    offered: int = OFFERED
    mac: bytes = FIRST_MAC
    mtu: int = 1500
    speed: int = 0xFFFFFFFF
    duplex: int = 0xFF
    rx_queue_size: int = RX_QUEUE_SIZE
    tx_queue_size: int = TX_QUEUE_SIZE
    ctrl_queue_size: int = CTRL_QUEUE_SIZE
    rss_version: int = 1
    """Of the rss subsection: 2 since QEMU 10.2."""

    @property
    def config_len(self) -> int:
        return max((end for bits, end in _CONFIG_ENDS if self.offered & bits), default=6)

    def config(self, mac: bytes, status: int) -> bytes:
        """The config space with the two fields that change."""
        rss = self.offered & (RSS | HASH_REPORT)
        whole = _CONFIG.pack(
            mac,
            status,
            self.queue_pairs,
            self.mtu,
            self.speed,
            self.duplex,
            RSS_KEY_MAX,
            RSS_TABLE_MAX if self.offered & RSS else 1,
            RSS_HASH_TYPES if rss else 0,
        )
        return whole[: self.config_len]
