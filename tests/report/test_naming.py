"""Bits by name, by the field they stand in."""

from __future__ import annotations

import pytest

from vnetmig.report.naming import may_have_names, names


@pytest.mark.parametrize(
    ("path", "value", "meaning"),
    [
        ("status", 0x4F, ("ACKNOWLEDGE", "DRIVER", "DRIVER_OK", "FEATURES_OK", "NEEDS_RESET")),
        ("status", 0x10, ("bit 4",)),
        ("status", 0, ()),
        ("isr", 3, ("QUEUE", "CONFIG")),
        ("net_status", 3, ("LINK_UP", "ANNOUNCE")),
        ("guest_features_low", 1 << 22, ("VIRTIO_NET_F_MQ",)),
        ("64bit_features.guest_features", 1 << 32, ("VIRTIO_F_VERSION_1",)),
        ("64bit_features#2.guest_features", 1 << 40, ("VIRTIO_F_RING_RESET",)),
        ("128bit_features.guest_features_high", 1 << 1, ("VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO",)),
        ("extra_state.pci.modern_state.guest_features[1]", 1 << 22, ("VIRTIO_NET_F_GUEST_USO4",)),
        ("curr_guest_offloads", 1 << 7, ("GUEST_TSO4",)),
        ("rss.hash_types", 0b101, ("IPv4", "UDPv4")),
        ("vlans[2]", 1 << 5, ("vlan 69",)),
        ("vq[3].vector", 0xFFFF, ("NO_VECTOR",)),
        ("vq[3].vector", 3, ()),
        ("device_endian.device_endian", 2, ("big-endian",)),
        ("mac", "52:54:00:12:34:56", ()),
        ("pci.config.status", 16, ()),
    ],
)
def test_names_of_net(path: str, value: object, meaning: tuple[str, ...]) -> None:
    assert names("virtio-net", path, value) == meaning


def test_a_device_has_its_own_bits() -> None:
    assert names("virtio-blk", "guest_features_low", 1 << 6) == ("VIRTIO_BLK_F_BLK_SIZE",)
    assert names("virtio-blk", "vlans[0]", 1) == ()


def test_which_fields_may_have_names() -> None:
    assert may_have_names("virtio-net", "vq[0].vector") and not may_have_names("virtio-net", "vq[0].num")
    assert may_have_names("virtio-net", "net_status") and not may_have_names("virtio-blk", "net_status")
    assert not may_have_names("e1000", "status")
