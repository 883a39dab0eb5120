"""Names and numbers of /dev/net/tun."""

from __future__ import annotations

import pytest

from vnetmig.backend.tun import NUMBERS, checked_name, request
from vnetmig.errors import FieldError


@pytest.mark.parametrize(
    ("machine", "set_interface", "get_interface"),
    [
        ("x86_64", 0x400454CA, 0x800454D2),
        ("aarch64", 0x400454CA, 0x800454D2),
        ("s390x", 0x400454CA, 0x800454D2),
        ("ppc64le", 0x800454CA, 0x400454D2),
        ("mips64", 0x800454CA, 0x400454D2),
    ],
)
def test_numbers_are_the_machines_own(machine: str, set_interface: int, get_interface: int) -> None:
    assert request("TUNSETIFF", machine) == set_interface
    assert request("TUNGETIFF", machine) == get_interface
    assert len({request(name, machine) for name in NUMBERS}) == len(NUMBERS)


@pytest.mark.parametrize("name", ["vnet0", "vnet%d", "%d", "a" * 15, "tap-1.2_3"])
def test_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("a" * 16, "got 16 bytes"),
        ("", "white space"),
        (".", "white space"),
        ("..", "white space"),
        ("a/b", "no '/'"),
        ("a:b", "':'"),
        ("a b", "white space"),
        ("a\0b", "white space"),
        ("caf\xe9", "ASCII"),
        ("\ud800", "ASCII"),
        ("%s", "'%d' stands once"),
        ("%d%d", "'%d' stands once"),
        ("a%", "'%d' stands once"),
    ],
)
def test_impossible_names(name: str, wrong: str) -> None:
    with pytest.raises(FieldError) as caught:
        checked_name(name)
    assert "expected 1 to 15 bytes of ASCII" in str(caught.value)
    assert wrong in str(caught.value)


def test_an_existing_interface_has_no_pattern() -> None:
    with pytest.raises(FieldError, match="interface that exists"):
        checked_name("vnet%d", existing=True)
