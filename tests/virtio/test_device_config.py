"""The virtio device configuration space: real ones, every cut, and any device name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_sections import truth, virtio_head, virtio_sections

from vnetmig.virtio.device_config import LAYOUTS, device_config_registers

# Sizes of the whole structures (linux: sizeof of each virtio_*_config).
SIZES = {
    "virtio-net": 28,
    "virtio-console": 12,
    "virtio-serial": 12,
    "virtio-blk": 96,
    "virtio-scsi": 36,
    "virtio-balloon": 16,
    "virtio-rng": 0,
}


def values(device: str, config: bytes) -> dict[str, int]:
    return {
        r.name: int.from_bytes(config[r.offset : r.offset + r.size], "little")
        for r in device_config_registers(device, len(config))
    }


@pytest.mark.parametrize("device", LAYOUTS)
def test_the_whole_structure(device: str) -> None:
    registers = device_config_registers(device, SIZES[device])
    assert [r.name for r in registers if r.kind != "reserved"] == [name for _, _, name in LAYOUTS[device]]
    assert sum(r.size for r in registers if r.kind == "reserved") == (7 if device == "virtio-blk" else 0)


@given(st.sampled_from([*LAYOUTS, "virtio-unheard-of"]), st.integers(0, 200), st.sampled_from(["le", "be"]))
def test_every_byte_once_at_any_length(device: str, length: int, order: str) -> None:
    registers = device_config_registers(device, length, order=order)
    end = 0
    for register in registers:
        assert register.offset == end
        assert register.size > 0
        end += register.size
    assert end == length
    assert len({register.name for register in registers}) == len(registers)
    number = "le" if device == "virtio-balloon" else order
    assert {register.kind for register in registers} <= {number, "mac", "reserved"}


def test_a_cut_field_is_reserved() -> None:
    registers = device_config_registers("virtio-net", 14)
    assert [(r.name, r.offset, r.size, r.kind) for r in registers[-2:]] == [
        ("mtu", 10, 2, "le"),
        ("reserved[0xc:0xe]", 12, 2, "reserved"),
    ]


def test_bytes_behind_the_structure_are_reserved() -> None:
    assert [r.name for r in device_config_registers("virtio-console", 20)][-1] == "reserved[0xc:0x14]"
    assert [r.name for r in device_config_registers("virtio-unheard-of", 8)] == ["reserved[0x0:0x8]"]
    assert device_config_registers("virtio-rng", 0) == ()


def test_real_configs_hold_what_qemu_said(capture: Path) -> None:
    told = truth(capture)
    # The guest may have set another MAC address after it read the configuration.
    macs = {nic["main-mac"] for nic in told["rx_filter"]}
    macs |= set(re.findall(r"mac=([0-9a-f:]{17})", (capture / "cmdline.txt").read_text()))
    for section in virtio_sections(capture):
        config = virtio_head(section).config
        assert len(config) <= SIZES[section.device]
        if not any(config):
            continue  # nobody in the guest has read it yet
        got = values(section.device, config)
        match section.device:
            case "virtio-net":
                assert config[:6].hex(":") in macs
                assert got["status"] & 1 == 1
                assert got.get("max_virtqueue_pairs", 1) <= 4
            case "virtio-blk":
                image = told["block"][0]["inserted"]["image"]
                assert got["capacity"] * 512 == image["virtual-size"]
                assert got["blk_size"] == 512
                assert got["num_queues"] >= 1
            case "virtio-console":
                assert got["max_nr_ports"] == 31
            case "virtio-scsi":
                assert (got["sense_size"], got["cdb_size"], got["max_target"]) == (96, 32, 255)
            case "virtio-balloon":
                assert got["num_pages"] == got["actual"] == 0


def test_real_host_mtu(captures: list[Path]) -> None:
    found = [c for c in captures if "host_mtu=1400,speed=10000" in (c / "cmdline.txt").read_text()]
    if not found:
        pytest.skip("no capture with host_mtu")
    for capture in found:
        for section in virtio_sections(capture):
            got = values(section.device, virtio_head(section).config)
            assert (got["mtu"], got["speed"], got["duplex"]) == (1400, 10000, 1)
