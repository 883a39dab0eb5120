"""Hints and fixes that follow from the missing bits taken together."""

from __future__ import annotations

import pytest

from vnetmig.analysis.explain.feature_fault import feature_fault, feature_notes
from vnetmig.analysis.explain.feature_origin import NET
from vnetmig.virtio.features import features


def bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


@pytest.mark.parametrize(
    ("guest", "host", "hint"),
    [
        (bits(32, 54, 55, 56), bits(32, 40), "only USO is missing"),
        (bits(32, 40, 56), bits(32), "RING_RESET and USO"),
        (bits(32, 0, 1, 7, 11), bits(32), "no virtio header"),
        (bits(32, 22), bits(32), "one queue"),
        (bits(32, 47), bits(32), "out of step"),
    ],
)
def test_hints(guest: int, host: int, hint: str) -> None:
    assert any(hint in text for text in feature_fault(guest, host, "virtio-net").hints)


def test_the_newest_kernel_that_is_needed() -> None:
    fixes = feature_fault(bits(56, 65), 0, "virtio-net").fixes
    assert "Linux 6.17)" in fixes[0] and "host_uso=on,guest_tunnel=on" in fixes[0]


def test_a_bit_without_a_property_has_no_fix() -> None:
    assert not feature_fault(bits(47), 0, "virtio-net").fixes


def test_every_origin_is_of_a_bit_that_the_device_has() -> None:
    assert set(NET) <= {feature.bit for feature in features("virtio-net")}


@pytest.mark.parametrize("text", ["no_such", "0x", "0xzz", "USO"])
def test_what_is_no_feature(text: str) -> None:
    assert feature_notes("virtio-net", text) == ()
