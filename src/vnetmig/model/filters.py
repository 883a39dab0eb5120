"""Which frames a virtio-net device takes from the wire.

Source: qemu: hw/net/virtio-net.c:receive_filter; virtio 1.3, 5.1.6.5.1 to 5.1.6.5.3. Knows frames and the filter's
values.
"""

from __future__ import annotations

from vnetmig.model.net_values import NetValues

ETH_HEADER = 14
BROADCAST = b"\xff" * 6
VLAN_TAG = b"\x81\x00"


def vlan_of(frame: bytes) -> int | None:
    """The VLAN id of an 802.1Q frame; None of an untagged one."""
    return int.from_bytes(frame[14:16], "big") & 0xFFF if frame[12:14] == VLAN_TAG and len(frame) >= 16 else None


def passes(values: NetValues, frame: bytes) -> bool:
    """Does the receive filter let ``frame`` (Ethernet, without FCS) through? Frames too short for a header do not."""
    if len(frame) < ETH_HEADER:
        return False
    if values.promisc:
        return True
    vlan = vlan_of(frame)
    if vlan is not None and not values.vlans[vlan >> 5] >> (vlan & 31) & 1:
        return False
    destination = frame[:6]
    if destination == BROADCAST:
        return not values.nobcast
    if destination[0] & 1:
        if values.nomulti:
            return False
        return bool(values.allmulti or values.multi_overflow or destination in values.macs[values.first_multi :])
    if values.nouni:
        return False
    return bool(
        values.alluni
        or values.uni_overflow
        or destination == values.mac
        or destination in values.macs[: values.first_multi]
    )
