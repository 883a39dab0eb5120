"""Targets, numbers and members as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.analysis import edit_text
from vnetmig.errors import FieldError

TARGETS = [
    ("virtio-net:mac", ("virtio-net", "mac")),
    ("0000:00:03.0/virtio-net:mac", ("0000:00:03.0/virtio-net", "mac")),
    ("0000:00:1c.0/00:00.0/virtio-net:vq[0].num", ("0000:00:1c.0/00:00.0/virtio-net", "vq[0].num")),
    ("cpu#1:env.eip", ("cpu#1", "env.eip")),
    ("virtio-net:virtio/started", ("virtio-net", "virtio/started")),
    ("0000:00:03.0/virtio-net:virtio/started", ("0000:00:03.0/virtio-net", "virtio/started")),
    ("virtio-net:pci.config.reserved[0x40:0x98]", ("virtio-net", "pci.config.reserved[0x40:0x98]")),
]


@pytest.mark.parametrize(("text", "expected"), TARGETS)
def test_a_target_is_split_where_the_device_ends(text: str, expected: tuple[str, str]) -> None:
    assert edit_text.split_target(text) == expected
    assert edit_text.split_assignment(f"{text}=a=b:c/d") == (*expected, "a=b:c/d")


@pytest.mark.parametrize("text", ["", "mac", "virtio-net:", ":mac", "0000/virtio-net", "/"])
def test_what_names_no_field(text: str) -> None:
    with pytest.raises(FieldError, match="write DEVICE:PATH"):
        edit_text.split_target(text)


def test_what_sets_nothing() -> None:
    with pytest.raises(FieldError, match="write DEVICE:PATH=VALUE"):
        edit_text.split_assignment("virtio-net:mac")


@given(st.text(max_size=30))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        device, path = edit_text.split_target(text)
    except FieldError:
        return
    assert f"{device}:{path}" == text and device and path


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("0x1F", 31), ("007", 7), ("-3", -3), ("on", 1), ("False", 0)])
def test_numbers(text: str, value: int) -> None:
    assert edit_text.number("x", text) == value


@pytest.mark.parametrize("text", ["", "seven", "1.5", "0xg", "1,2"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(FieldError, match="takes a number"):
        edit_text.number("x", text)


def test_bytes() -> None:
    assert edit_text.content("x", "0x00ff") == edit_text.content("x", "00 ff") == b"\x00\xff"
    with pytest.raises(FieldError, match="bytes in hexadecimal"):
        edit_text.content("x", "0")


def test_members() -> None:
    def read(text: str, now: list[int]) -> list[int]:
        return edit_text.members("x", text, now, int)

    assert read("1,2", [9]) == [1, 2]
    assert read("none", [9]) == read("", [9]) == []
    assert read("+1,+9,-8", [8, 9]) == [9, 1]
    with pytest.raises(FieldError, match="each with"):
        read("+1,2", [])
    assert read("-5,+1,+1", [1]) == [1]


@pytest.mark.parametrize(
    ("name", "bit"),
    [
        ("VIRTIO_NET_F_GUEST_USO4", 54),
        ("GUEST_USO4", 54),
        ("guest_uso4", 54),
        ("mq", 22),
        ("version_1", 32),
        ("INDIRECT_DESC", 28),
        ("VIRTIO_F_EVENT_IDX", 29),
        ("bit 100", 100),
        ("BIT 3", 3),
    ],
)
def test_features_by_name(name: str, bit: int) -> None:
    assert edit_text.feature("virtio-net", name) == bit


def test_features() -> None:
    def bits(text: str, now: int) -> int:
        return edit_text.feature_bits("virtio-net", "x", text, now)

    assert bits("0x30", 1) == 0x30
    assert bits("csum,mac", 0xFF00) == 1 << 0 | 1 << 5
    assert bits("+csum,-mac", 1 << 5 | 1 << 7) == 1 << 0 | 1 << 7
    assert bits("none", 7) == 0
    with pytest.raises(FieldError, match="no feature called"):
        bits("+WINGS", 0)
    with pytest.raises(FieldError, match="no feature called"):
        edit_text.feature_bits("virtio-blk", "x", "GUEST_USO4", 0)


def test_places() -> None:
    assert edit_text.split_index("mac_table.macs[12]") == ("mac_table.macs", 12)
    for text in ("mac_table.macs", "mac_table.macs[]", "mac_table.macs[-1]", "vq[0].num"):
        with pytest.raises(FieldError, match=r"write a place, such as"):
            edit_text.split_index(text)
