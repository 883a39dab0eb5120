"""A stream's first bytes: each altered in one place, and what real QEMUs said to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from altered import refusals, valid

import vnetmig
from vnetmig.analysis.finding import Severity

FAILED = "load of migration failed: Invalid argument: "

CAPABILITIES = b"\x05\x1aconfiguration/capabilities\0\0\0\x01"
PAGE_BITS = b"\x05\x1econfiguration/target-page-bits\0\0\0\x01"
UUID = b"\x05\x12configuration/uuid\0\0\0\x01" + bytes(range(16))


def with_part(qemu: str, part: bytes) -> bytes:
    """Behind the configuration's machine type."""
    data = valid("1q", qemu).data
    end = 13 + int.from_bytes(data[9:13], "big")
    return data[:end] + part + data[end:]


def named(name: bytes) -> bytes:
    data = valid("1q", "q72").data
    end = 13 + int.from_bytes(data[9:13], "big")
    return data[:9] + len(name).to_bytes(4, "big") + name + data[end:]


def over(qemu: str, at: int, value: bytes) -> bytes:
    data = valid("1q", qemu).data
    return data[:at] + value + data[at + len(value) :]


#   qemu    the stream                                    rule                  QEMU's first line
OPENINGS = [
    ("q72", over("q72", 0, b"QEVX"), "not-a-stream", "Not a migration stream"),
    ("q111", over("q111", 0, b"QEVX"), "not-a-stream", FAILED + "Not a migration stream, magic: 51455658 != 5145564d"),
    ("q72", over("q72", 4, b"\0\0\0\2"), "version-obsolete", "SaveVM v2 format is obsolete and don't work anymore"),
    ("q72", over("q72", 4, b"\0\0\0\4"), "version-unsupported", "Unsupported migration stream version"),
    ("q72", valid("1q", "q72").data[:7], "version-unsupported", "Unsupported migration stream version"),
    ("q72", valid("1q", "q72").data[:8], "configuration-missing", "Configuration section missing"),
    ("q72", over("q72", 8, b"\6"), "configuration-missing", "Configuration section missing"),
    ("q111", over("q111", 8, b"\xff"), "configuration-missing", FAILED + "Configuration section missing, ff != 7"),
    ("q72", over("q72", 9, b"\x7f\xff\xff\xff"), "stream-error", "Failed to load configuration:name"),
    (
        "q111",
        over("q111", 9, b"\x80\0\0\0"),
        "stream-error",
        FAILED + "Failed to load configuration state: stream error: -5",
    ),
    (
        "q72",
        named(b"pc-q35-7.2"),
        "machine-type",
        "Machine type received is 'pc-q35-7.2' and local is 'pc-i440fx-7.2'",
    ),
    (
        "q72",
        named(b"pc-i440fx-7.20"),
        "machine-type",
        "Machine type received is 'pc-i440fx-7.20' and local is 'pc-i440fx-7.2'",
    ),
    (
        "q72",
        with_part("q72", CAPABILITIES + b"\0\0\0\1\x08nonsense"),
        "capability-unknown",
        "Received unknown capability nonsense",
    ),
    (
        "q111",
        with_part("q111", CAPABILITIES + b"\0\0\0\1\x08nonsense"),
        "capability-unknown",
        FAILED + "Loading VM subsection 'configuration/capabilities' in 'configuration' failed: Received unknown "
        "capability nonsense",
    ),
    (
        "q72",
        with_part("q72", CAPABILITIES + b"\0\0\0\1\x0amapped-ram"),
        "capability-unknown",
        "Received unknown capability mapped-ram",
    ),
    (
        "q72",
        with_part("q72", CAPABILITIES[:-1] + b"\2" + b"\0\0\0\0"),
        "vmstate-too-new",
        "configuration/capabilities: incoming version_id 2 is too new for local version_id 1",
    ),
    (
        "q72",
        with_part("q72", PAGE_BITS + b"\0\0\0\x0d"),
        "page-bits",
        "Received TARGET_PAGE_BITS is 13 but local is 12",
    ),
    (
        "q111",
        with_part("q111", PAGE_BITS + b"\xff\xff\xff\xff"),
        "page-bits",
        FAILED + "post load hook failed for: configuration, version_id: 1, minimum_version: 0: Received "
        "TARGET_PAGE_BITS is -1 but local is 12",
    ),
    (
        "q111",
        with_part("q111", b"\x05\x16configuration/nonsense\0\0\0\x01"),
        "subsection-unknown",
        FAILED + "VM subsection 'configuration/nonsense' in 'configuration' does not exist",
    ),
]


@pytest.mark.parametrize(
    ("qemu", "data", "rule", "message"), OPENINGS, ids=[f"{i}-{one[2]}" for i, one in enumerate(OPENINGS)]
)
def test_one_byte_of_the_opening(qemu: str, data: bytes, rule: str, message: str, engine: str) -> None:
    assert refusals("1q", qemu, data, engine) == [(rule, message)]


@pytest.mark.parametrize("part", [b"\x05\x03abc", b"\x05\x16other/nonsense12345678\0\0\0\x01"])
def test_a_subsection_of_something_else_is_taken_for_a_section(part: bytes, engine: str) -> None:
    expected = [("unknown-section-type", "Unknown savevm section type 5")]
    assert refusals("1q", "q72", with_part("q72", part), engine) == expected


def test_pages_of_the_same_size() -> None:
    assert refusals("1q", "q72", with_part("q72", PAGE_BITS + b"\0\0\0\x0c")) == []


@pytest.mark.parametrize("name", [b"", b"pc", b"pc-i440fx-7.", b"pc-i440fx-7.2"])
def test_a_name_is_compared_as_far_as_it_goes(name: bytes) -> None:
    assert refusals("1q", "q72", named(name)) == []


@pytest.mark.parametrize("qemu", ["q52", "q72", "q100"])
def test_a_negative_length_is_asked_for_as_memory(qemu: str) -> None:
    data = over(qemu, 9, b"\xff\xff\xff\xff")
    assert vnetmig.check(data, valid("1q", qemu).profile).verdict == "QEMU would crash"


def test_a_negative_number_of_capabilities_is_asked_for_as_memory() -> None:
    data = with_part("q72", CAPABILITIES + b"\xff\0\0\0")
    assert vnetmig.check(data, valid("1q", "q72").profile).verdict == "QEMU would crash"


def test_a_machine_type_set_in_the_document_is_the_one_that_is_checked() -> None:
    stream = vnetmig.load(valid("1q", "q72").data)
    assert stream.configuration is not None
    stream.context.configuration = replace(stream.configuration, machine_type="pc-i440fx-7.1")
    found = vnetmig.check(stream, valid("1q", "q72").profile)[0]
    assert found.message == "Machine type received is 'pc-i440fx-7.1' and local is 'pc-i440fx-7.2'"


def test_an_empty_stream_hangs() -> None:
    assert vnetmig.check(b"", valid("1q", "q72").profile).verdict == "QEMU would hang"


def test_a_uuid_is_compared_where_there_is_one() -> None:
    profile = replace(valid("1q", "q72").profile, command=None)
    found = vnetmig.check(with_part("q72", UUID), profile)[0]
    text = "UUID is received 00010203-0405-0607-0809-0a0b0c0d0e0f, but local uuid isn't set"
    assert (found.rule, found.severity, found.message) == ("uuid-unset", Severity.WARNING, f"warning: {text}")
    assert list(vnetmig.check(with_part("q72", UUID), replace(profile, machine=None))) == []
    own = replace(profile, uuid="00010203-0405-0607-0809-0a0b0c0d0e0f")
    assert list(vnetmig.check(with_part("q72", UUID), own)) == []
    other = vnetmig.check(with_part("q72", UUID), replace(profile, uuid="ffffffff-0405-0607-0809-0a0b0c0d0e0f"))
    assert (other.verdict, other[0].rule) == ("refused", "uuid-mismatch")


def test_capabilities_are_compared_when_those_of_the_destination_are_known() -> None:
    data = with_part("q72", CAPABILITIES + b"\0\0\0\1\x0fx-ignore-shared")
    profile = replace(valid("1q", "q72").profile, command=None, capabilities=frozenset())
    first = vnetmig.check(data, profile)[0]
    assert first.message == "Capability x-ignore-shared is off, but received capability is on"
