"""Rings beside the guest's RAM: one address or size altered, and what real QEMUs said to it."""

from __future__ import annotations

import pytest
from altered import judged, put, refusals

MAP = "Failed to map "
CORRUPTED = "invalid guest physical address or corrupted queue setup"
RAM_END = 0x6000000

#   qemu   field             value          rule                  QEMU's first line
RINGS = [
    (
        "q72",
        "vq[0].desc",
        0,
        "queue-address",
        "VQ 0 address 0x0 inconsistent with Host index 0x6",
    ),
    ("q72", "vq[0].desc", RAM_END - 16, "ring-map-failed", "Cannot map desc"),
    ("q72", "virtqueues.vq[0].avail", RAM_END - 16, "ring-map-failed", "Cannot map avail"),
    ("q72", "virtqueues.vq[0].used", RAM_END - 16, "ring-map-failed", "Cannot map used"),
    (
        "q111",
        "vq[0].desc",
        RAM_END - 16,
        "ring-map-failed",
        MAP + "descriptor ring for device virtio-pci-bus device 0000:00:02.0: " + CORRUPTED,
    ),
    (
        "q72",
        "virtqueues.vq[0].avail",
        RAM_END,  # no RAM: zeros are read
        "queue-guest-index",
        "VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0x6: delta 0xfffa",
    ),
    (
        "q72",
        "virtqueues.vq[0].avail",
        0x1000,  # RAM that never came
        "queue-guest-index",
        "VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0x6: delta 0xfffa",
    ),
]


@pytest.mark.parametrize(("qemu", "path", "value", "rule", "message"), RINGS)
def test_an_address(qemu: str, path: str, value: int, rule: str, message: str, engine: str) -> None:
    data = put("1q", qemu, path, value.to_bytes(8, "big"))
    assert refusals("1q", qemu, data, engine)[0] == (rule, message)


@pytest.mark.parametrize("address", [0x1000, RAM_END, 0xF0000000, 1 << 63])
def test_a_used_ring_of_zeros_is_taken(address: int, engine: str) -> None:
    data = put("1q", "q72", "virtqueues.vq[0].used", address.to_bytes(8, "big"))
    assert refusals("1q", "q72", data, engine) == []


def test_an_index_that_52_only_logs(engine: str) -> None:
    data = put("1q", "q52", "virtqueues.vq[0].avail", bytes(8))
    assert refusals("1q", "q52", data, engine) == []
    assert [one.rule for one in judged("1q", "q52", data, engine)] == ["queue-guest-index"]


@pytest.mark.parametrize("qemu", ["q52", "q72", "q100", "q111"])
def test_a_ring_of_no_entries_kills(qemu: str) -> None:
    found = judged("multi", qemu, put("multi", qemu, "vq[0].num", bytes(4), "0000:00:07.0/virtio-rng"))
    assert (found.verdict, found[-1].message) == (
        "QEMU would crash",
        "address_space_cache_init: Assertion `len > 0' failed.",
    )
