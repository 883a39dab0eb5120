"""Control commands: what QEMU answers to each, and what it does to the device."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from vnetmig.model import control
from vnetmig.model import properties as p
from vnetmig.model.net_values import NetValues
from vnetmig.model.properties import Properties

ALL = p.OFFERED | p.MQ
UNI, MULTI = b"\x02\x00\x00\x00\x00\x01", b"\x01\x00\x5e\x00\x00\x01"
KEY = bytes(range(40))


def values(features: int = ALL, pairs: int = 4) -> NetValues:
    made = NetValues.new(Properties(queue_pairs=pairs, offered=ALL))
    made.set_features(features)
    return made


def table(unicast: list[bytes], multicast: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(macs)) + b"".join(macs) for macs in (unicast, multicast))


def rss(entries: list[int], *, pairs: int = 4, default: int = 0, types: int = 0x3F, key: bytes = KEY) -> bytes:
    head = struct.pack("<IHH", types, (len(entries) - 1) & 0xFFFF, default)
    return head + struct.pack(f"<{len(entries)}H", *entries) + struct.pack("<HB", pairs, len(key)) + key


HASH = struct.pack("<I8xB", 0x3F, 40) + KEY

#    command                                            answer  what is so afterwards
COMMANDS: list[tuple[bytes, int, dict[str, Any]]] = [
    (b"\0\0\0", 0, {"promisc": 0}),
    (b"\0\1\1", 0, {"allmulti": 1}),
    (b"\0\2\1", 0, {"alluni": 1}),
    (b"\0\3\1", 0, {"nomulti": 1}),
    (b"\0\4\1", 0, {"nouni": 1}),
    (b"\0\5\2", 0, {"nobcast": 1}),
    (b"\0\6\1", 1, {}),
    (b"\0\0", 1, {"promisc": 1}),
    (b"\1\0" + table([UNI], [MULTI, MULTI]), 0, {"macs": [UNI, MULTI, MULTI], "first_multi": 1}),
    (b"\1\0" + table([], [MULTI]), 0, {"macs": [MULTI], "first_multi": 0}),
    (b"\1\0" + table([UNI] * 64, []), 0, {"macs": [UNI] * 64, "uni_overflow": 0, "first_multi": 64}),
    (b"\1\0" + table([UNI] * 65, [MULTI]), 0, {"macs": [MULTI], "uni_overflow": 1, "first_multi": 0}),
    (b"\1\0" + table([UNI] * 2, [MULTI] * 63), 0, {"macs": [UNI] * 2, "multi_overflow": 1, "first_multi": 2}),
    (b"\1\0" + table([UNI], [MULTI]) + b"\0", 1, {"macs": []}),
    (b"\1\0" + table([UNI], [MULTI])[:-1], 1, {"macs": []}),
    (b"\1\0" + b"\xff\xff\xff\xff" + UNI, 1, {"macs": []}),
    (b"\1\0\0\0\0\0\0\0\0", 1, {}),
    (b"\1\1" + UNI, 0, {"mac": UNI}),
    (b"\1\1" + UNI[:5], 1, {"mac": p.FIRST_MAC}),
    (b"\1\2" + UNI, 1, {"mac": p.FIRST_MAC}),
    (b"\2\0\x25\0", 0, {"vlans": [0, 1 << 5] + [0] * 126}),
    (b"\2\1\x25\0", 0, {"vlans": [0] * 128}),
    (b"\2\0\0\x10", 1, {"vlans": [0] * 128}),
    (b"\2\0\1", 1, {}),
    (b"\3\0", 1, {}),
    (b"\4\0\4\0", 0, {"curr_queue_pairs": 4}),
    (b"\4\0\0\0", 1, {"curr_queue_pairs": 1}),
    (b"\4\0\5\0", 1, {"curr_queue_pairs": 1}),
    (b"\4\0\1", 1, {}),
    (b"\4\1" + rss([0, 1, 2, 3]), 0, {"curr_queue_pairs": 4}),
    (b"\4\1" + rss([0, 1, 2]), 1, {"curr_queue_pairs": 1}),
    (b"\4\1" + rss([0] * 256), 1, {}),
    (b"\4\1" + rss([0], default=4), 1, {}),
    (b"\4\1" + rss([0], key=b""), 1, {}),
    (b"\4\1" + rss([0], key=KEY + b"\0"), 1, {}),
    (b"\4\1" + rss([0], pairs=5), 1, {}),
    (b"\4\1" + rss([0])[:-1], 1, {}),
    (b"\4\1" + rss([0, 1, 2, 3])[:14], 1, {}),
    (b"\4\2" + HASH, 0, {"curr_queue_pairs": 1}),
    (b"\4\3\0\0", 1, {}),
    (b"\5\0" + struct.pack("<Q", p.GUEST_CSUM), 0, {"curr_guest_offloads": p.GUEST_CSUM}),
    (b"\5\0" + struct.pack("<Q", 1 << 40), 1, {"curr_guest_offloads": ALL & p.GUEST_OFFLOADS}),
    (b"\5\0" + bytes(7), 1, {}),
    (b"\5\1" + bytes(8), 1, {}),
    (b"\x63\0", 1, {}),
]


@pytest.mark.parametrize(
    ("command", "answer", "after"), COMMANDS, ids=[c[:12].hex() + f"-{i}" for i, (c, _, _) in enumerate(COMMANDS)]
)
def test_a_command_is_answered_as_qemu_does(command: bytes, answer: int, after: dict[str, Any]) -> None:
    device = values()
    assert control.handle(device, command) == answer
    assert {name: getattr(device, name) for name in after} == after


def test_rss_is_what_the_driver_said() -> None:
    device = values()
    assert control.handle(device, b"\4\1" + rss([3, 2, 1, 0], default=2, types=7)) == control.OK
    found = device.rss
    assert (found.enabled, found.redirect, found.populate_hash) == (True, True, True)
    assert (found.table, found.default_queue, found.hash_types, found.key) == ((3, 2, 1, 0), 2, 7, KEY)


@pytest.mark.parametrize("command", [b"\4\0\2\0", b"\4\1" + rss([0, 1, 2]), b"\4\1" + rss([0], key=b"", types=0)])
def test_rss_ends_with_the_next_command_of_its_class(command: bytes) -> None:
    device = values()
    control.handle(device, b"\4\1" + rss([0, 1]))
    assert device.rss.enabled
    control.handle(device, command)
    assert not device.rss.enabled


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        (p.MQ | p.RSS, b"\4\0\2\0"),
        (p.RSS, b"\4\1" + rss([0])),
        (p.HASH_REPORT, b"\4\2" + HASH),
        (p.CTRL_GUEST_OFFLOADS, b"\5\0" + bytes(8)),
    ],
)
def test_a_command_without_its_feature_is_refused(missing: int, command: bytes) -> None:
    assert control.handle(values(), command) == control.OK
    assert control.handle(values(ALL & ~missing), command) == control.ERR


def test_an_announcement_is_acknowledged_once() -> None:
    device = values()
    device.net_status |= p.S_ANNOUNCE
    assert [control.handle(device, b"\3\0") for _ in range(2)] == [control.OK, control.ERR]
    assert not device.net_status & p.S_ANNOUNCE
