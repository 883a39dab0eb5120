"""Guest memory: one word altered, and what real QEMUs said to it."""

from __future__ import annotations

import pytest
from altered import judged, refusals, valid

FAILED = "load of migration failed: Invalid argument: error while loading state for instance 0x0 of device 'ram': "


def _first_word(qemu: str) -> int:
    data = valid("1q", qemu).data
    return data.index(b"\x03ram") + 4 + 8


def page(qemu: str) -> int:
    """Where the word of the first page stands."""
    data = valid("1q", qemu).data
    return data.index(b"\x06pc.ram", _first_word(qemu) + 20) - 8


def over(qemu: str, at: int, value: bytes) -> bytes:
    data = valid("1q", qemu).data
    return data[:at] + value + data[at + len(value) :]


def word(address: int, flags: int) -> bytes:
    return (address | flags).to_bytes(8, "big")


#   qemu   where                     bytes                         rule                QEMU's first line
WORDS = [
    ("q72", _first_word("q72") - 4, b"\0\0\0\5", "unsupported-version", "savevm: unsupported version 5 for 'ram' v4"),
    (
        "q72",
        _first_word("q72") - 4,
        b"\xff\xff\xff\xff",
        "unsupported-version",
        "savevm: unsupported version -1 for 'ram' v4",
    ),
    (
        "q72",
        _first_word("q72") - 4,
        b"\0\0\0\3",
        "ram-version",
        "error while loading state for instance 0x0 of device 'ram'",
    ),
    (
        "q111",
        _first_word("q111") - 4,
        b"\0\0\0\3",
        "ram-version",
        FAILED + "Failed to load vmstate version_id: 3, ret: -22",
    ),
    (
        "q72",
        _first_word("q72") + 15,
        (0x6001000).to_bytes(8, "big"),
        "ram-size",
        "Size mismatch: pc.ram: 0x6001000 != 0x6000000: Invalid argument",
    ),
    (
        "q72",
        _first_word("q72") + 15,
        (0x6000001).to_bytes(8, "big"),
        "ram-size",
        "Size mismatch: pc.ram: 0x6001000 != 0x6000000: Invalid argument",
    ),
    (
        "q72",
        _first_word("q72") + 12,
        b"rax",
        "ram-block-unknown",
        'Unknown ramblock "pc.rax", cannot accept migration',
    ),
    ("q72", _first_word("q72"), word(0x6082000, 0), "ram-flags", "Unknown combination of migration flags: 0x0"),
    ("q72", _first_word("q72"), word(0x6082000, 0x10), "footer-missing", "Missing section footer for ram"),
    ("q72", page("q72"), word(0xC0000, 0), "ram-flags", "Unknown combination of migration flags: 0x0"),
    ("q72", page("q72"), word(0xC0000, 0x18), "ram-flags", "Unknown combination of migration flags: 0x18"),
    ("q72", page("q72"), word(0xC0000, 0x100), "ram-compressed", "Received an unexpected compressed page"),
    ("q111", page("q111"), word(0xC0000, 0x100), "ram-flags", "Unknown combination of migration flags: 0x100"),
    ("q111", page("q111"), word(0xC0000, 0x02), "ram-zero-page", "Found a zero page with value 85"),
    ("q72", page("q72"), word(0xC0000, 0x28), "ram-block-none", "Ack, bad migration stream!"),
    ("q72", page("q72"), word(0x6000000, 0x08), "ram-offset", "Illegal RAM offset 6000000"),
    (
        "q72",
        page("q72"),
        word(0xC0000, 0x40),
        "ram-xbzrle-page",
        "Failed to load XBZRLE page - wrong compression!",
    ),
    ("q72", page("q72") + 12, b"rax", "ram-block-lost", "Can't find block pc.rax"),
    (
        "q72",
        page("q72"),
        word(0xC0000, 0x40) + b"\x06pc.ram\1\x10\1",
        "ram-xbzrle-page",
        "Failed to load XBZRLE page - len overflow!",
    ),
    ("q72", page("q72"), word(0xC0000, 0x40) + b"\x06pc.ram\1\0\x10", "ram-block-lost", "Can't find block "),
    ("q72", page("q72"), word(0, 0x80), "ram-failed", "error while loading state section id 2(ram)"),
    ("q72", page("q72"), word(0xC0000, 0x82), "ram-failed", "error while loading state section id 2(ram)"),
    ("q100", page("q100"), word(0xC0000, 0x82), "ram-flags", "Unknown combination of migration flags: 0x82"),
    ("q72", page("q72"), word(0xC0000, 0x02), "ram-flags", "Unknown combination of migration flags: 0x0"),
    (
        "q72",
        _first_word("q72") + 15,
        (0x5FFF001).to_bytes(8, "big"),  # as many pages, so that the list goes on behind its end
        "ram-block-unknown",
        'Unknown ramblock "", cannot accept migration',
    ),
]


@pytest.mark.parametrize(
    ("qemu", "at", "value", "rule", "message"), WORDS, ids=[f"{i}-{one[3]}" for i, one in enumerate(WORDS)]
)
def test_one_word_of_guest_memory(qemu: str, at: int, value: bytes, rule: str, message: str) -> None:
    assert refusals("1q", qemu, over(qemu, at, value)) == [(rule, message)]


@pytest.mark.parametrize(
    ("qemu", "at", "rule", "message"),
    [
        ("q72", _first_word("q72"), "ram-flags", "Unknown combination of migration flags: 0x0"),
        ("q111", _first_word("q111"), "ram-address", "Getting RAM address failed"),
        ("q72", _first_word("q72") + 8, "ram-block-unknown", 'Unknown ramblock "", cannot accept migration'),
        ("q72", _first_word("q72") + 35, "ram-failed", "error while loading state for instance 0x0 of device 'ram'"),
        ("q72", page("q72") + 8, "ram-block-lost", "Can't find block "),
        ("q72", page("q72") + 1000, "ram-failed", "error while loading state section id 2(ram)"),
    ],
)
def test_a_stream_that_ends_in_guest_memory(qemu: str, at: int, rule: str, message: str) -> None:
    assert refusals("1q", qemu, valid("1q", qemu).data[:at]) == [(rule, message)]


def test_the_lines_behind_the_first() -> None:
    found = judged("1q", "q72", over("q72", page("q72") + 12, b"rax"))[0]
    assert found.chain == (
        "Illegal RAM offset c0000",
        "error while loading state section id 2(ram)",
        "load of migration failed: Invalid argument",
    )


def test_a_hook_is_passed_over_since_8_2() -> None:
    """What follows it is looked at as the next word."""
    assert refusals("1q", "q100", over("q100", page("q100"), word(0, 0x80)))[0][0] == "ram-block-lost"
