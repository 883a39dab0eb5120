"""virtio-net: the device's own part of its section, version 11.

Source: qemu: hw/net/virtio-net.c:vmstate_virtio_net_device and its subsections.
"""

from __future__ import annotations

from vnetmig.virtio.core import device_section
from vnetmig.vmstate import (
    BUFFER,
    LE32,
    MAC,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    Field,
    List,
    Marker,
    Param,
    Ref,
    Struct,
    Vmsd,
)

VM_VERSION = 11
"""VIRTIO_NET_VM_VERSION: of the section and of the device's own part, in every QEMU here."""

MAC_TABLE_ENTRIES = 64
"""MAC_TABLE_ENTRIES: what a device stores; a larger table is read, dropped, and counts as an overflow."""

MAC_TABLE_LIMIT = 1 << 20
"""Entries a stream may carry at all."""

RSS_TABLE_LIMIT = 0xFFFF
"""Indirection table entries; QEMU's own limit is 128, which not every release checks."""

QUEUE_PAIRS_MAX = 511
"""Pairs that fit VIRTIO_QUEUE_MAX with the control queue."""

VLAN_WORDS = 128
"""4,096 VLAN ids, one bit each, as u32 words in the host's order (VIRTIO hosts are little-endian here)."""

CTRL_GUEST_OFFLOADS = 1 << 2

_MAC_TABLE = Vmsd(
    "mac_table",
    0,
    (
        Field("in_use", UINT32),
        Field("macs", MAC, Ref("in_use"), limit=MAC_TABLE_LIMIT),
    ),
)

RSS = Vmsd(
    "virtio-net-device/rss",
    2,
    (
        Field("enabled", UINT8),
        Field("redirect", UINT8),
        Field("populate_hash", UINT8),
        Field("hash_types", UINT32),
        Field("supported_hash_types", UINT32, since=2),  # QEMU 10.2
        Field("indirections_len", UINT16),
        Field("default_queue", UINT16),
        Field("key", BUFFER, 40),
        Field("indirections_table", UINT16, Ref("indirections_len"), limit=RSS_TABLE_LIMIT),
    ),
    minimum_version=1,
)

_BACKEND = Vmsd(
    "virtio-net-device/backend",
    0,
    (
        # vhost-user device state: chunks of a size in front of each, ended by size 0 (QEMU 10.0)
        List("chunks", Vmsd("chunk", 0, (Field("data", BUFFER, Marker(), limit=1 << 26),)), marker=4),
    ),
)

DEVICE = Vmsd(
    "virtio-net-device",
    VM_VERSION,
    (
        Field("mac", MAC),
        Field("tx_waiting", UINT32),  # of pair 0
        Field("mergeable_rx_bufs", UINT32),
        Field("net_status", UINT16),  # bit 0 link up, bit 1 announce
        Field("promisc", UINT8),
        Field("allmulti", UINT8),
        Struct("mac_table", _MAC_TABLE),
        Field("vlans", LE32, VLAN_WORDS),
        Field("has_vnet_hdr", UINT32),
        Struct("mac_table_overflow", Vmsd("overflow", 0, (Field("multi", UINT8), Field("uni", UINT8)))),
        Field("alluni", UINT8),
        Field("nomulti", UINT8),
        Field("nouni", UINT8),
        Field("nobcast", UINT8),
        Field("has_ufo", UINT8),
        Field("max_queue_pairs", UINT16, when=Param("multiqueue")),
        Field("curr_queue_pairs", UINT16, when=Param("multiqueue")),
        Field(
            "tx_waiting_of_pair",  # of pairs 1 .. curr_queue_pairs - 1
            UINT32,
            (Ref("curr_queue_pairs") - 1) * (Ref("curr_queue_pairs") != 0),
            when=Param("multiqueue"),
            limit=QUEUE_PAIRS_MAX,
            complaint="virtio-net: curr_queue_pairs is more than VIRTIO_QUEUE_MAX allows",
        ),
        Field("curr_guest_offloads", UINT64, when=(Ref("guest_features_low") & CTRL_GUEST_OFFLOADS) != 0),
    ),
    (RSS, _BACKEND),
)

SECTION = device_section("virtio-net", VM_VERSION, (Struct("", DEVICE),))
