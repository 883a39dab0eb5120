"""Bytes of PCI config space by name."""

from __future__ import annotations

import pytest

from vnetmig.analysis.explain.registers import bad_config, register


@pytest.mark.parametrize(
    ("index", "device", "name"),
    [
        (0x00, None, "vendor_id, byte 0"),
        (0x08, None, "revision_id"),
        (0x13, None, "bar0, byte 3"),
        (0x34, None, "capabilities_pointer"),
        (0x35, None, "a reserved byte"),
        (0x98, None, "a capability (0x40 to 0xff)"),
        (0x101, None, "an extended capability of PCI Express (0x100 and above)"),
        (0x19, "0000:00:02.0/pcie-root-port", "secondary_bus"),
        (0x19, "0000:00:02.0/virtio-net", "bar2, byte 1"),
    ],
)
def test_names(index: int, device: str | None, name: str) -> None:
    assert register(index, device) == name


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ((0x10, 0x21, 0x01, 0xFF, 0xC0, 0), "bar0 is smaller at the source: its address is a multiple of 0x20"),
        ((0x11, 0x10, 0x00, 0xFF, 0xE0, 0), "bar0 is smaller at the source: its address is a multiple of 0x1000"),
        ((0x10, 0x0C, 0x00, 0xFF, 0x00, 0), "bar0 is of another kind"),
        ((0x02, 0x41, 0x00, 0xFF, 0x00, 0), "transitional"),
        ((0x08, 0x01, 0x00, 0xFF, 0x00, 0), "virtio 1 only"),
        ((0x06, 0x10, 0x00, 0x10, 0x00, 0), "bits 0x10 must be the same"),
    ],
)
def test_what_differs(values: tuple[int, ...], says: str) -> None:
    named = dict(zip(("index", "read", "device", "cmask", "wmask", "w1cmask"), values, strict=True))
    assert any(says in text for text in bad_config(named, None))
