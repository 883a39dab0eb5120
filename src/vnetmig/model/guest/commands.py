"""Control commands that a guest may choose from: the one it makes up, and what the device has to answer.

Knows how commands are laid out (virtio 1.3, 5.1.6.5); knows no ring. The parts of one command follow from one number,
its tag, so that a device that is seen with parts of two of them was seen torn.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from vnetmig.model import properties as p
from vnetmig.model.guest.layout import GuestState

OK, ERR = 0, 1
VLANS = 16
"""VLAN ids that guests use, from 0 on."""

Command = tuple[bytes, int]
"""(class, command and data; the acknowledgement that is right)"""


def rx_mode(state: GuestState) -> Command:
    """On in one case of four: with all of them on, nothing would come."""
    return bytes([0, state.random(6), state.random(4) == 0]), OK


def mac_table(state: GuestState) -> Command:
    """A few unicast and multicast addresses; now and then more than fit."""
    tag = state.random(1 << 24).to_bytes(3, "big")
    counts = [70, 2] if state.random(12) == 0 else [state.random(6), state.random(6)]
    if state.random(2):
        counts.reverse()
    data = b""
    for first, count in zip((b"\x02\x11", b"\x03\x11"), counts, strict=True):
        data += struct.pack("<I", count) + b"".join(first + tag + bytes([number]) for number in range(count))
    return b"\1\0" + data, OK


def mac_addr(state: GuestState) -> Command:
    return b"\1\1\x02\x22" + state.random(1 << 32).to_bytes(4, "big"), OK


def vlan(state: GuestState) -> Command:
    if state.random(10) == 0:
        return b"\2\0" + struct.pack("<H", 4096 + state.random(100)), ERR
    return bytes([2, state.random(2)]) + struct.pack("<H", state.random(VLANS)), OK


def pairs(state: GuestState) -> Command:
    count = 1 + state.random(state.pairs) if state.random(8) else 0
    return b"\4\0" + struct.pack("<H", count), OK if count else ERR


def rss(state: GuestState) -> Command:
    """Table and key follow from the tag: entry i is the tag plus i, modulo the pairs that it switches on."""
    tag, length = state.random(256), 1 << state.random(8)
    count = 1 + state.random(state.pairs)
    table = struct.pack(f"<{length}H", *((tag + entry) % count for entry in range(length)))
    head = struct.pack("<IHH", 0x3F, length - 1, tag % count)
    return b"\4\1" + head + table + struct.pack("<HB", count, 40) + bytes([tag]) * 20 + _KEY_END, OK


_KEY_END = bytes(range(0x41, 0x41 + 20))  # a key of one byte over and over hashes to little


def hash_report(state: GuestState) -> Command:
    key = bytes([state.random(256)]) * 20 + _KEY_END
    return b"\4\2" + struct.pack("<I8xB", 0x3F, 40) + key, OK


def offloads(state: GuestState) -> Command:
    supported = state.features & p.GUEST_OFFLOADS
    if state.random(8) == 0:
        return b"\5\0" + struct.pack("<Q", supported | 1 << 40), ERR
    return b"\5\0" + struct.pack("<Q", supported & state.random(1 << 48)), OK


def nonsense(state: GuestState) -> Command:
    return bytes([99, state.random(4), 1, 2, 3]), ERR


#         command      the features that it needs, all of them
CHOICE: tuple[tuple[Callable[[GuestState], Command], int], ...] = (
    (rx_mode, p.CTRL_RX | p.CTRL_RX_EXTRA),
    (mac_table, p.CTRL_RX),
    (mac_table, p.CTRL_RX),
    (mac_addr, p.CTRL_MAC_ADDR),
    (vlan, p.CTRL_VLAN),
    (vlan, p.CTRL_VLAN),
    (pairs, p.MQ),
    (rss, p.RSS),
    (hash_report, p.HASH_REPORT),
    (offloads, p.CTRL_GUEST_OFFLOADS),
    (nonsense, 0),
)

ANNOUNCED: Command = (b"\3\0", OK)
"""The acknowledgement of an announcement request."""


def choose(state: GuestState) -> Command:
    """One of the commands that the accepted features allow."""
    possible = [make for make, needed in CHOICE if state.features & needed == needed]
    return possible[state.random(len(possible))](state)
