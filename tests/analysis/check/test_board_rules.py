"""Devices of a PC board: a version or a word altered, and what real QEMUs said to it."""

from __future__ import annotations

import pytest
from altered import refusals, valid

OLD = "{}: incoming version_id 0 is too old for local minimum version_id {}{}"
SINCE = "load of migration failed: Invalid argument: error while loading state for instance 0x0 of device '{}': "


def over(qemu: str, idstr: str, inside: int, value: bytes) -> bytes:
    """``value`` over the bytes from ``inside`` on, counted from behind the name."""
    found = valid("1q", qemu)
    at = found.headers[idstr] + 6 + len(idstr) + inside
    return found.data[:at] + value + found.data[at + len(value) :]


@pytest.mark.parametrize(
    ("idstr", "name", "oldest"),
    [
        ("timer", "timer", 1),
        ("cpu", "cpu", 11),
        ("apic", "apic", 3),
        ("pckbd", "pckbd", 3),
        ("0000:00:00.0/I440FX", "I440FX", 3),
        ("0000:00:01.3/piix4_pm", "piix4_pm", 3),
    ],
)
def test_a_version_that_is_too_old(idstr: str, name: str, oldest: int) -> None:
    before = refusals("1q", "q72", over("q72", idstr, 4, bytes(4)))
    assert before == [("vmstate-too-old", OLD.format(name, " ", oldest))]
    since = refusals("1q", "q111", over("q111", idstr, 4, bytes(4)))
    assert since == [("vmstate-too-old", SINCE.format(idstr) + OLD.format(name, "", oldest))]


def test_one_that_reads_every_version() -> None:
    assert refusals("1q", "q72", over("q72", "vmmouse", 4, bytes(4))) == []


@pytest.mark.parametrize("idstr", ["0000:00:00.0/I440FX", "0000:00:01.1/ide", "0000:00:01.3/piix4_pm"])
def test_a_pci_device_begins_with_its_version(idstr: str) -> None:
    before = refusals("1q", "q72", over("q72", idstr, 8, b"\xff\xff\xff\xfd"))
    assert before == [("pci-version", "Invalid value -3 expecting positive value <= 2")]
    since = refusals("1q", "q111", over("q111", idstr, 8, b"\xff\xff\xff\xfd"))
    assert since == [("pci-version", SINCE.format(idstr) + "Invalid value -3 expecting positive value <= 2")]


@pytest.mark.parametrize("qemu", ["q52", "q72", "q100"])
def test_an_option_rom_of_zeros(qemu: str) -> None:
    data = valid("1q", qemu).data
    at = data.index(b"\x06pc.ram", data.index(b"\x03ram") + 40) + 7
    gone = data[:at] + bytes(4096) + data[at + 4096 :]
    message = "error while loading state for instance 0x0 of device 'kvm-tpr-opt'"
    assert refusals("1q", qemu, gone) == [("option-rom", message)]
