"""A device's PCI transport: one byte altered, and what real QEMUs said to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from altered import cut, put, refusals, valid

import vnetmig
from vnetmig.virtio.core import PCI_DEVICE

BAD = "get_pci_config_device: Bad config data: i={} read: {} device: {} cmask: ff wmask: {} w1cmask:0"


def config(machine: str, qemu: str, at: int, value: bytes) -> bytes:
    found = valid(machine, qemu)
    begin = found.places["pci.version_id"] + 4 + at
    return found.data[:begin] + value + found.data[begin + len(value) :]


@pytest.mark.parametrize(
    ("machine", "at", "value", "message"),
    [
        ("1q", 0x00, b"\0", BAD.format("0x0", "0", "f4", "0")),
        ("1q", 0x10, b"\xfe", BAD.format("0x10", "fe", "1", "e0")),  # I/O BAR made a memory one
        ("1q", 0x10, b"\x03\xc0", BAD.format("0x10", "3", "1", "e0")),
        ("1q", 0x14, b"\x10", BAD.format("0x14", "10", "0", "0")),  # below the size of the MSI-X BAR
        ("1q", 0x20, b"\0", BAD.format("0x20", "0", "c", "0")),  # 64 bits made 32
        ("legacy", 0x10, b"\0", BAD.format("0x10", "0", "1", "e0")),
        ("legacy", 0x14, b"\x08", BAD.format("0x14", "8", "0", "0")),
    ],
)
@pytest.mark.parametrize("qemu", ["q72", "q111"])
def test_a_byte_that_is_compared(machine: str, qemu: str, at: int, value: bytes, message: str, engine: str) -> None:
    assert refusals(machine, qemu, config(machine, qemu, at, value), engine) == [("pci-config", message)]


@pytest.mark.parametrize("qemu", ["q72", "q111"])
@pytest.mark.parametrize("found", [3, 0x7FFFFFFF, -1, -(1 << 31)])
def test_a_version_that_no_device_has(qemu: str, found: int, engine: str) -> None:
    data = put("1q", qemu, "pci.version_id", found.to_bytes(4, "big", signed=True))
    message = f"Invalid value {found} expecting positive value <= {PCI_DEVICE.version}"
    assert refusals("1q", qemu, data, engine) == [("pci-version", message)]


@pytest.mark.parametrize("found", [0, 1])
def test_interrupt_levels_are_there_in_every_version(found: int, engine: str) -> None:
    assert refusals("1q", "q100", put("1q", "q100", "pci.version_id", found.to_bytes(4, "big")), engine) == []


@pytest.mark.parametrize(("value", "said"), [(2, "2"), (0x7FFFFFFF, "2147483647"), (0xFFFFFFFF, "-1")])
def test_an_interrupt_level(value: int, said: str, engine: str) -> None:
    data = put("1q", "q100", "pci.irq_state", value.to_bytes(4, "big"))
    assert refusals("1q", "q100", data, engine) == [("irq-state", f"irq state {said}: must be 0 or 1.")]


@pytest.mark.parametrize("inside", [0, 2])
def test_a_stream_that_ends_before_the_configuration_is_not_compared(inside: int, engine: str) -> None:
    before = refusals("1q", "q72", cut("1q", "q72", "pci.version_id", inside), engine)
    assert before == [("stream-error", "Failed to load PCIDevice:version_id")]
    since = refusals("1q", "q111", cut("1q", "q111", "pci.version_id", inside), engine)
    assert since == [("stream-error", "Failed to load PCIDevice state: stream error: -5")]


@pytest.mark.parametrize("qemu", ["q72", "q100"])
def test_a_vector_that_the_device_does_not_have(qemu: str, engine: str) -> None:
    data = put("1q", qemu, "vq[0].vector", b"\0\x04")
    assert refusals("1q", qemu, data, engine) == [("vector", "Failed to load virtio-net:virtio")]
    assert refusals("1q", qemu, put("1q", qemu, "vq[0].vector", b"\xff\xff"), engine) == []


@pytest.mark.parametrize("machine", ["1q", "legacy"])
@pytest.mark.parametrize("unknown", [{"host_features": None}, {"pci_ids": None}])
def test_a_profile_that_does_not_say_which_interface_a_device_has(machine: str, unknown: dict[str, None]) -> None:
    """The stream's own configuration space says it."""
    found = valid(machine, "q72")
    devices = tuple(replace(one, **unknown) for one in found.profile.devices)  # type: ignore[arg-type]
    profile = replace(found.profile, command=None, devices=devices)
    assert vnetmig.check(found.data, profile).loads
    altered = vnetmig.check(config(machine, "q72", 0x10, b"\xfe"), profile)
    assert (altered.verdict, altered[0].rule) == ("refused", "pci-config")
