"""The receive filter, case by case, and its agreement with what query-rx-filter would say."""

from __future__ import annotations

from typing import Any

import pytest

from vnetmig.model.filters import BROADCAST, passes
from vnetmig.model.net_values import NetValues
from vnetmig.model.properties import MAC, Properties

OWN, LISTED, OTHER = b"\x52\x54\x00\x12\x34\x56", b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02"
GROUP, OTHER_GROUP = b"\x01\x00\x5e\x00\x00\x01", b"\x01\x00\x5e\x00\x00\x02"

CASES: list[tuple[dict[str, Any], bytes, int | None, bool]] = [
    ({}, OWN, None, True),
    ({}, LISTED, None, True),
    ({}, OTHER, None, False),
    ({"promisc": 1}, OTHER, None, True),
    ({"promisc": 1}, OTHER, 9, True),
    ({"alluni": 1}, OTHER, None, True),
    ({"uni_overflow": 1}, OTHER, None, True),
    ({"nouni": 1}, OWN, None, False),
    ({"nouni": 1, "alluni": 1}, OWN, None, False),
    ({"nouni": 1}, GROUP, None, True),
    ({}, GROUP, None, True),
    ({}, OTHER_GROUP, None, False),
    ({"allmulti": 1}, OTHER_GROUP, None, True),
    ({"multi_overflow": 1}, OTHER_GROUP, None, True),
    ({"nomulti": 1}, GROUP, None, False),
    ({"nomulti": 1, "allmulti": 1}, GROUP, None, False),
    ({"first_multi": 2}, GROUP, None, False),
    ({"first_multi": 0}, LISTED, None, False),
    ({}, BROADCAST, None, True),
    ({"nobcast": 1}, BROADCAST, None, False),
    ({"nomulti": 1}, BROADCAST, None, True),
    ({}, OWN, 5, True),
    ({}, OWN, 6, False),
    ({}, BROADCAST, 6, False),
    ({}, OWN, 4095, True),
]


@pytest.mark.parametrize(("changes", "address", "vlan", "expected"), CASES)
def test_the_filter(changes: dict[str, Any], address: bytes, vlan: int | None, expected: bool) -> None:
    values = NetValues.new(Properties(offered=MAC))
    values.promisc, values.macs, values.first_multi = 0, [LISTED, GROUP], 1
    values.vlans = [0] * 128
    values.vlans[0], values.vlans[127] = 1 << 5, 1 << 31
    for name, value in changes.items():
        setattr(values, name, value)
    tag = b"" if vlan is None else b"\x81\x00" + (0xE000 | vlan).to_bytes(2, "big")
    assert passes(values, address + OTHER + tag + b"\x08\x00" + bytes(46)) is expected


@pytest.mark.parametrize("length", range(14))
def test_less_than_a_header_never_passes(length: int) -> None:
    assert not passes(NetValues.new(Properties()), bytes(length))
