"""The configuration section: values both ways, what QEMU refuses, and any arrival of the bytes."""

from __future__ import annotations

import pytest

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.configuration import (
    Capabilities,
    ConfigurationBody,
    TargetPageBits,
    Uuid,
    read_configuration,
)
from vnetmig.stream.cursor import Cursor, Short
from vnetmig.stream.framing import Limits

UUID = bytes(range(16))
NAME = "0000 0002 7063"  # "pc"
BITS = "05 1e" + b"configuration/target-page-bits".hex() + "0000 0001 0000 000c"
CAPABILITIES = "05 1a" + b"configuration/capabilities".hex() + "0000 0001 0000 0001 0a" + b"mapped-ram".hex()
IDENTITY = "05 12" + b"configuration/uuid".hex() + "0000 0001" + UUID.hex()

CASES = [
    (NAME, ConfigurationBody("pc")),
    ("0000 0000", ConfigurationBody("")),
    (NAME + BITS, ConfigurationBody("pc", (TargetPageBits(12),))),
    (NAME + CAPABILITIES, ConfigurationBody("pc", (Capabilities(("mapped-ram",)),))),
    (
        NAME + IDENTITY + CAPABILITIES + BITS + IDENTITY,  # order and duplicates are kept
        ConfigurationBody("pc", (Uuid(UUID), Capabilities(("mapped-ram",)), TargetPageBits(12), Uuid(UUID))),
    ),
]


@pytest.mark.parametrize(("text", "body"), CASES)
def test_both_ways(text: str, body: ConfigurationBody) -> None:
    data = bytes.fromhex(text)
    assert body.encode() == data
    cursor = Cursor(data)
    assert read_configuration(cursor, final=True) == body
    assert cursor.position == len(data)
    behind = Cursor(data + b"\1")
    assert read_configuration(behind) == body
    assert behind.position == len(data)


@pytest.mark.parametrize("text", [case[0] for case in CASES])
def test_cut_short_it_asks_for_bytes_that_help(text: str) -> None:
    data = bytes.fromhex(text)
    for length in range(len(data) + 1):
        with pytest.raises(Short) as caught:
            read_configuration(Cursor(data[:length]))
        assert caught.value.total > length
        assert caught.value.total <= len(data) + 1


def test_the_last_capabilities_count() -> None:
    body = ConfigurationBody("pc", (Capabilities(("x-ignore-shared",)), Uuid(UUID), Capabilities(())))
    assert body.capabilities == ()
    assert ConfigurationBody("pc", (Capabilities(("a", "b")),)).capabilities == ("a", "b")


def subsection(name: bytes, rest: str = "0000 0001") -> bytes:
    return bytes.fromhex(NAME) + bytes((5, len(name))) + name + bytes.fromhex(rest)


@pytest.mark.parametrize("name", [b"vmstate", b"configuratio", b"other/configuration", b"x" * 20])
def test_a_subsection_of_someone_else_ends_the_list(name: bytes) -> None:
    cursor = Cursor(subsection(name))
    assert read_configuration(cursor, final=True) == ConfigurationBody("pc")
    assert cursor.position == 6


REFUSALS = [
    (subsection(b"configuration/new"), "VM subsection 'configuration/new' in 'configuration' does not exist", 6),
    (
        subsection(b"configuration/uuid", "0000 0002" + UUID.hex()),
        "configuration/uuid: incoming version_id 2 is too new for local version_id 1",
        26,
    ),
    (
        subsection(b"configuration/uuid", "0000 0000" + UUID.hex()),
        "configuration/uuid: incoming version_id 0 is too old for local minimum version_id  1",
        26,
    ),
    (subsection(b"configuration/capabilities", "0000 0001 ffff ffff"), "Unreasonable number of capab", 38),
    (bytes.fromhex("ffff ffff"), "Unreasonable length of the machine type name: 4294967295", 0),
    (bytes.fromhex("0000 0001 07"), "machine type is not a name", 4),
]


@pytest.mark.parametrize(("data", "message", "offset"), REFUSALS)
def test_refusals(data: bytes, message: str, offset: int) -> None:
    with pytest.raises(StreamError) as caught:
        read_configuration(Cursor(data, base=100), final=True)
    assert str(caught.value).startswith(message)
    assert caught.value.offset == 100 + offset


def test_limits_are_the_callers() -> None:
    data = ConfigurationBody("pc", (Capabilities(("a", "b")),)).encode()
    assert read_configuration(Cursor(data), Limits(capabilities=2, machine_name=2), final=True).machine_type == "pc"
    with pytest.raises(StreamError, match="Unreasonable number"):
        read_configuration(Cursor(data), Limits(capabilities=1), final=True)


def test_values_that_no_stream_can_hold() -> None:
    with pytest.raises(EncodeError, match="15 bytes, not 16"):
        Uuid(UUID[1:]).encode()
    with pytest.raises(EncodeError, match="printable ASCII"):
        ConfigurationBody("pc\n").encode()
