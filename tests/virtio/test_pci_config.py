"""The PCI configuration space: real ones against `query-pci`, made ones, and any bytes at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_sections import PciSection, pci_sections, truth, virtio_sections

from vnetmig.virtio.pci_config import find_capability, is_express, msix_vectors, pci_config_registers

NAME = re.compile(r"[a-z][a-z0-9_]*(\[\w+(:\w+)?\])?(\.[a-z][a-z0-9_]*(\[\d+\])?)?")


def values(config: bytes) -> dict[str, int]:
    return {
        r.name: int.from_bytes(config[r.offset : r.offset + r.size], "little") for r in pci_config_registers(config)
    }


def check_cover(config: bytes) -> None:
    registers = pci_config_registers(config)
    end = 0
    for register in registers:
        assert register.offset == end
        assert register.size > 0
        assert NAME.fullmatch(register.name), register
        assert register.kind == "reserved" or (register.kind == "le" and register.size in (1, 2, 4, 8))
        end += register.size
    assert end == len(config)
    assert len({register.name for register in registers}) == len(registers)


def space(size: int, *pieces: tuple[int, bytes], header_type: int = 0) -> bytes:
    """A configuration space with a capability list and these pieces."""
    config = bytearray(size)
    config[0:2] = b"\xf4\x1a"
    config[6] = 0x10
    config[0x0E] = header_type
    for offset, data in pieces:
        config[offset : offset + len(data)] = data
    return bytes(config)


# Real bytes ------------------------------------------------------------------------------------------


def query_pci(devices: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for device in devices:
        yield device
        yield from query_pci(device.get("pci_bridge", {}).get("devices", []))


def asked(capture: Path, section: PciSection) -> dict[str, Any]:
    """What query-pci said of the section's device: same slot, same depth of bridges."""
    depth = section.idstr.rpartition("/")[0].count(":") - 2
    for device in query_pci(truth(capture)["pci"][0]["devices"]):
        behind = device["bus"] != 0
        if (device["slot"], device["function"]) == section.slot and behind == (depth > 0):
            return device
    raise AssertionError(f"query-pci does not know {section.idstr}")


def test_every_virtio_device_of_a_capture_is_found(capture: Path) -> None:
    """Guards the tests below: they are about as many sections as query-pci has virtio devices."""
    devices = [d for bus in truth(capture).get("pci") or [] for d in query_pci(bus["devices"])]
    there = [d for d in devices if d["id"]["vendor"] == 0x1AF4 and 0x1000 <= d["id"]["device"] < 0x1080]
    assert len(virtio_sections(capture)) == len(there)


def test_real_configs_read_as_query_pci_says(capture: Path) -> None:
    for section in pci_sections(capture):
        check_cover(section.config)
        said, got = asked(capture, section), values(section.config)
        assert got["vendor_id"] == said["id"]["vendor"]
        assert got["device_id"] == said["id"]["device"]
        assert got["base_class"] << 8 | got["subclass"] == said["class_info"]["class"]
        if "subsystem" in said["id"]:
            assert got["subsystem_id"] == said["id"]["subsystem"]
            assert got["subsystem_vendor_id"] == said["id"]["subsystem-vendor"]
        assert got["interrupt_pin"] == said["irq_pin"]
        if "irq" in said:
            assert got["interrupt_line"] == said["irq"]
        for region in said["regions"]:
            if region["address"] < 0 or region["bar"] == 6:
                continue
            address = got[f"bar{region['bar']}"] & (~3 if region["type"] == "io" else ~15)
            if region.get("mem_type_64"):
                address |= got[f"bar{region['bar'] + 1}"] << 32
            assert address == region["address"]
        if bridge := said.get("pci_bridge"):
            assert got["secondary_bus"] == bridge["bus"]["secondary"]
            assert got["subordinate_bus"] == bridge["bus"]["subordinate"]
            assert got["memory_base"] << 16 == bridge["bus"]["memory_range"]["base"]
            assert got["io_base"] >> 4 << 12 == bridge["bus"]["io_range"]["base"]


def test_real_virtio_capabilities(capture: Path) -> None:
    for section in virtio_sections(capture):
        got = values(section.config)
        modern = "virtio_common_cfg.bar" in got
        assert modern == (b"virtio_pci/modern_state" in section.rest[:60000])
        if modern:
            for cfg_type, name in enumerate(("common", "notify", "isr", "device", "pci"), start=1):
                assert got[f"virtio_{name}_cfg.cfg_type"] == cfg_type
            bar = got["virtio_common_cfg.bar"]
            assert {got[f"virtio_{name}_cfg.bar"] for name in ("common", "notify", "isr", "device")} == {bar}
            assert got["virtio_notify_cfg.notify_off_multiplier"] == 4
            assert "virtio_pci_cfg.pci_cfg_data" in got
        vectors = msix_vectors(section.config)
        assert vectors == (got["msix.message_control"] & 0x7FF) + 1 if vectors else "msix.table" not in got
        assert is_express(section.config) == (len(section.config) == 4096) == ("express.capabilities" in got)


def test_real_msix_vectors_are_those_of_the_qtree(capture: Path) -> None:
    qtree = truth(capture)["hmp_info_qtree"]
    for section in virtio_sections(capture):
        place = f"addr = {section.slot[0]:02x}.{section.slot[1]}"
        block = next(b for b in re.split(r"dev: ", qtree) if b.startswith("virtio-") and place in b)
        told = re.search(r"vectors = (\d+)", block)
        if told:
            assert msix_vectors(section.config) == (int(told[1]) or None)


def test_real_root_port(captures: list[Path]) -> None:
    ports = [s for c in captures for s in pci_sections(c) if s.device == "pcie-root-port"]
    if not ports:
        pytest.skip("no capture has a PCI Express root port")
    for port in ports:
        got = values(port.config)
        assert got["header_type"] & 0x7F == 1
        assert got["aer.header"] & 0xFFFF == 1
        assert got["acs.header"] & 0xFFFF == 0xD
        assert got["subsystem.cap_id"] == 0xD
        assert "express.root_status" in got


# Made bytes ------------------------------------------------------------------------------------------


def test_msi_has_four_shapes() -> None:
    shapes = {
        0x000: ["address_lo", "data"],
        0x080: ["address_lo", "address_hi", "data"],
        0x100: ["address_lo", "data", "mask", "pending"],
        0x180: ["address_lo", "address_hi", "data", "mask", "pending"],
    }
    for control, fields in shapes.items():
        config = space(256, (0x34, b"\x40"), (0x40, b"\x05\0" + control.to_bytes(2, "little")))
        got = [r.name for r in pci_config_registers(config) if r.name.startswith("msi.")]
        assert got == [f"msi.{name}" for name in ["cap_id", "cap_next", "message_control", *fields]]
        check_cover(config)


def test_extended_capabilities() -> None:
    config = space(
        4096,
        (0x34, b"\x40"),
        (0x40, b"\x10\0\x02\0"),
        (0x100, (0x0001 | 2 << 16 | 0x148 << 20).to_bytes(4, "little")),
        (0x148, (0x0010 | 1 << 16 | 0x200 << 20).to_bytes(4, "little")),
        (0x200, (0x7777 | 1 << 16).to_bytes(4, "little")),
    )
    offsets = {r.name: r.offset for r in pci_config_registers(config)}
    assert is_express(config)
    assert offsets["aer.prefix_log[3]"] == 0x144
    assert offsets["sriov.vf_bar5"] == 0x148 + 0x38
    assert offsets["extended_0x7777.header"] == 0x200
    assert offsets["reserved[0x204:0x1000]"] == 0x204
    check_cover(config)


def test_a_structure_ends_where_the_next_begins() -> None:
    config = space(256, (0x34, b"\x40"), (0x40, b"\x11\x44\x03\x00\x01\x00"))
    got = [r.name for r in pci_config_registers(config) if r.offset >= 0x40]
    assert got[:4] == ["msix.cap_id", "msix.cap_next", "msix.message_control", "pm.cap_id"]
    assert find_capability(config, 0x01) == 0x44
    assert msix_vectors(config) == 4


def test_a_second_structure_of_a_kind_has_an_index() -> None:
    config = space(256, (0x34, b"\x80"), (0x80, b"\x11\x40"), (0x40, b"\x11\0"))
    got = {r.name: r.offset for r in pci_config_registers(config)}
    assert got["msix.table"] == 0x44
    assert got["msix[1].table"] == 0x84
    assert find_capability(config, 0x11) == 0x80  # the first in the list, not in the space


def test_an_express_version_1_endpoint_stops_before_the_slot() -> None:
    config = space(256, (0x34, b"\x40"), (0x40, b"\x10\0\x01\0"))
    names = [r.name for r in pci_config_registers(config)]
    assert "express.link_status" in names
    assert "express.slot_capabilities" not in names


@pytest.mark.parametrize("header_type", [0, 1, 2, 3, 0x80])
def test_header_types(header_type: int) -> None:
    config = space(256, (0x34, b"\x40"), (0x14, b"\x40"), (0x40, b"\x01\0"), header_type=header_type)
    names = [r.name for r in pci_config_registers(config)]
    assert ("bar5" in names) == (header_type in (0, 0x80))
    assert ("bridge_control" in names) == (header_type in (1, 2))
    assert ("pm.cap_id" in names) == (header_type != 2)  # offset 0x40 is inside a CardBus header
    assert find_capability(config, 0x01) == 0x40
    check_cover(config)


def test_without_the_status_bit_there_is_no_list() -> None:
    config = space(256, (0x34, b"\x40"), (0x40, b"\x11\0"), (6, b"\0"))
    assert find_capability(config, 0x11) is None
    assert msix_vectors(config) is None


# Any bytes -------------------------------------------------------------------------------------------


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Random bytes, then plausible damage: lists that loop, overlap, leave the space."""
    size = draw(st.sampled_from([256, 4096]))
    config = bytearray(draw(st.binary(min_size=64, max_size=64)) * (size // 64))
    config[6] |= 0x10
    config[0x0E] = draw(st.sampled_from([0, 1, 2, 3, 0x80, 0xFF]))
    for _ in range(draw(st.integers(0, 12))):
        at = draw(st.integers(0x40, 0xFF))
        piece = draw(st.tuples(st.integers(0, 0x15), st.integers(0, 255), st.integers(0, 255), st.integers(0, 9)))
        config[at : at + 4] = bytes(piece)[: size - at]
    if size == 4096:
        at = 0x100
        for _ in range(draw(st.integers(0, 8))):
            following = draw(st.integers(0, 0xFFF))
            header = draw(st.integers(0, 0x30)) | 1 << 16 | following << 20
            config[at : at + 4] = header.to_bytes(4, "little")
            at = min(following & 0xFFC, 0xFFC)
    return bytes(config)


@given(hostile())
@example(bytes(256))
@example(bytes(4096))
@example(b"\xff" * 256)
@example(b"\xff" * 4096)
@example(space(256, (0x34, b"\x40"), (0x40, b"\x09\x40\xff\x01")))
@example(space(4096, (0x100, b"\x01\0\x01\x10")))
def test_any_bytes_are_covered(config: bytes) -> None:
    check_cover(config)
    for cap_id in range(256):
        offset = find_capability(config, cap_id)
        assert offset is None or config[offset] == cap_id
    vectors = msix_vectors(config)
    assert vectors is None or 1 <= vectors <= 2048
    assert pci_config_registers(memoryview(config)) == pci_config_registers(config)


@given(st.binary(max_size=300))
def test_any_length_is_covered(config: bytes) -> None:
    check_cover(config)
    find_capability(config, 0x11)
    msix_vectors(config)
    is_express(config)
