"""Streams that cannot be read on, or have something else behind their end, and what real QEMUs said to them."""

from __future__ import annotations

import pytest
from altered import NET, judged, refusals, valid

from vnetmig.analysis.finding import Severity

INVALID = "load of migration failed: Invalid argument: "
IO = "load of migration failed: Input/output error"
MATCH = ". Make sure that your current VM setup matches your saved VM setup, including any hotplugged devices"


def header(qemu: str, inside: int, value: bytes) -> bytes:
    """The net section's header with ``value`` over its bytes from ``inside`` on."""
    found = valid("1q", qemu)
    at = found.headers[NET] + inside
    return found.data[:at] + value + found.data[at + len(value) :]


#   qemu   the stream                                    rule                       QEMU's first line
BROKEN = [
    ("q72", header("q72", 0, b"\5"), "unknown-section-type", "Unknown savevm section type 5"),
    ("q111", header("q111", 0, b"\xff"), "unknown-section-type", INVALID + "Unknown section type 255"),
    ("q72", header("q72", 0, b"\2"), "unknown-section-id", "Unknown savevm section 41"),
    ("q72", header("q72", 0, b"\x08"), "command-unknown", "MIG_CMD 0x0 unknown (len 0x29)"),
    ("q72", header("q72", 5, b"\0"), "section-name-truncated", "Unable to read ID string for section 41"),
    (
        "q72",
        header("q72", 5, b"\x18"),  # the name takes a byte of the instance
        "unsupported-version",
        f"savevm: unsupported version 2816 for '{NET}' v11",
    ),
    (
        "q72",
        header("q72", 5, b"\x16"),
        "unknown-section",
        f"Unknown savevm section or instance '{NET[:-1]}' 1946157056{MATCH}",
    ),
    ("q72", header("q72", 29, b"\0\0\0\1"), "unknown-section", f"Unknown savevm section or instance '{NET}' 1{MATCH}"),
    (
        "q72",
        header("q72", 33, b"\xff\xff\xff\xff"),
        "unsupported-version",
        f"savevm: unsupported version -1 for '{NET}' v11",
    ),
    (
        "q72",
        header("q72", 0, b"\2")[: valid("1q", "q72").headers[NET] + 3],
        "section-header-truncated",
        "qemu_loadvm_section_start_full: Failed to read section ID: -5",
    ),
    (
        "q111",
        valid("1q", "q111").data[: valid("1q", "q111").headers[NET] + 9 + len(NET)],
        "section-header-truncated",
        IO + ": Failed to read instance/version ID: -5",
    ),
    ("q52", valid("1q", "q52").data[: valid("1q", "q52").headers[NET]], "stream-ended", IO),
    (
        "q111",
        valid("1q", "q111").data[: valid("1q", "q111").headers[NET]],
        "stream-ended",
        IO + ": Failed to load section ID: stream error: -5: Channel error: Input/output error",
    ),
    (
        "q72",
        valid("1q", "q72").data[: valid("1q", "q72").headers[NET] + 3],
        "section-name-truncated",
        "Unable to read ID string for section 0",
    ),
]


@pytest.mark.parametrize(
    ("qemu", "data", "rule", "message"), BROKEN, ids=[f"{i}-{one[2]}" for i, one in enumerate(BROKEN)]
)
def test_a_section_header(qemu: str, data: bytes, rule: str, message: str) -> None:
    assert refusals("1q", qemu, data) == [(rule, message)]


def test_any_instance_of_a_device_is_it() -> None:
    assert refusals("1q", "q72", header("q72", 29, b"\xff\xff\xff\xff")) == []


@pytest.mark.parametrize(
    ("idstr", "message"),
    [
        ("apic", "Failed to load apic:irr"),
        ("cpu", "Failed to load cpu:env.mtrr_fixed"),
        ("ps2kbd", "Failed to load PS2 Common State:queue.data"),
        ("i8259", "Failed to load i8259:special_mask"),
        ("0000:00:00.0/I440FX", "Failed to load PCIDevice:config"),
        ("fw_cfg", "check_section_footer: Read section footer failed: -5"),
    ],
)
def test_a_cut_in_the_middle_of_a_board_device(idstr: str, message: str) -> None:
    """There is no description any more: that of another stream of the board names the field."""
    found = valid("1q", "q72")
    at = found.headers[idstr]
    end = min(offset for offset in found.headers.values() if offset > at)
    begin = at + 14 + len(idstr)
    assert refusals("1q", "q72", found.data[: begin + (end - 5 - begin) // 2])[0][1] == message


def test_a_cut_in_a_footer_is_a_footer_of_zeros() -> None:
    found = valid("1q", "q72")
    after = found.headers["globalstate"]
    message = "Mismatched section id in footer for acpi_build - read 0x0 expected 0x2a"
    assert refusals("1q", "q72", found.data[: after - 2]) == [("footer-mismatch", message)]


@pytest.mark.parametrize(("at", "value"), [(-5, b"\x7d"), (-1, b"\1")])
def test_a_board_device_without_its_footer(at: int, value: bytes) -> None:
    """No byte is missing: what stands where the footer should be is no footer, or another's."""
    found = valid("1q", "q72")
    place = min(offset for offset in found.headers.values() if offset > found.headers["apic"]) + at
    altered = found.data[:place] + value + found.data[place + 1 :]
    number = found.data[found.headers["apic"] + 4]
    messages = {
        -5: "Missing section footer for apic",
        -1: f"Mismatched section id in footer for apic - read 0x1 expected {number:#x}",
    }
    assert [message for _, message in refusals("1q", "q72", altered)] == [messages[at]]


def test_a_board_device_with_a_byte_more_than_is_described() -> None:
    found = valid("1q", "q72")
    place = min(offset for offset in found.headers.values() if offset > found.headers["apic"]) - 5
    altered = found.data[:place] + b"\1" + found.data[place:]
    assert refusals("1q", "q72", altered) == [("footer-missing", "Missing section footer for apic")]


@pytest.mark.parametrize("length", [b"", b"\0\0", b"\xff\xff\xff\xff"])
def test_a_description_that_cannot_be_read_loads(length: bytes) -> None:
    data = valid("1q", "q72").data
    end = data.rindex(b"\0\x06\0")
    assert judged("1q", "q72", data[: end + 2] + length).loads


@pytest.mark.parametrize("kind", [0, 1, 5, 7, 255])
def test_what_stands_behind_the_end_is_told_and_loads(kind: int) -> None:
    data = valid("1q", "q72").data
    end = data.rindex(b"\0\x06\0")
    result = judged("1q", "q72", data[: end + 1] + bytes((kind,)) + data[end + 2 :])
    assert result.loads
    told = [one for one in result if one.rule == "vmdesc-unexpected"]
    assert [(one.severity, one.message) for one in told] == [
        (Severity.INFO, f"Expected vmdescription section, but got {kind}")
    ]


@pytest.mark.parametrize("qemu", ["q72", "q111"])
def test_a_version_that_is_no_longer_read(qemu: str, engine: str) -> None:
    (found,) = refusals("1q", qemu, header(qemu, 33, b"\0\0\0\x0a"), engine)
    assert found[0] == "vmstate-too-old"
    words = "virtio-net: incoming version_id 10 is too old for local minimum version_id 11"
    assert found[1].replace("  ", " ").endswith(words)
