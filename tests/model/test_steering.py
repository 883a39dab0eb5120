"""Receive-side scaling: the published Toeplitz vectors, kinds of hash, the queue that follows."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from vnetmig.model.net_values import RssState
from vnetmig.model.steering import hash_of, pair_of

KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")

#   source                  port   destination            port   addresses   with ports
#   Microsoft, "Verifying the RSS hash calculation": the vectors that every implementation is tried with
VECTORS = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
]


def frame(
    source: str, port: int, destination: str, to: int, protocol: int, *, vlan: bool = False, fragment: int = 0
) -> bytes:
    one, other = ip_address(source).packed, ip_address(destination).packed
    tag = b"\x81\x00\x00\x05" if vlan else b""
    if len(one) == 4:
        head = b"\x08\x00" + struct.pack(">BBHHHBBH", 0x45, 0, 60, 0, fragment, 64, protocol, 0)
    else:
        head = b"\x86\xdd" + struct.pack(">IHBB", 0x60000000, 20, protocol, 64)
    return bytes(12) + tag + head + one + other + struct.pack(">HH", port, to) + bytes(36)


@pytest.mark.parametrize(("source", "port", "destination", "to", "addresses", "ports"), VECTORS)
@pytest.mark.parametrize("vlan", [False, True])
def test_published_vectors(
    source: str, port: int, destination: str, to: int, addresses: int, ports: int, vlan: bool
) -> None:
    six = 3 if ":" in source else 0
    for protocol, bit in ((6, 1), (17, 2)):
        packet = frame(source, port, destination, to, protocol, vlan=vlan)
        every = RssState(enabled=True, hash_types=0x3F, key=KEY)
        assert hash_of(every, packet) == (ports, 1 + six + bit)
        only = RssState(enabled=True, hash_types=1 << six, key=KEY)
        assert hash_of(only, packet) == (addresses, 1 + six)
    assert hash_of(RssState(enabled=True, hash_types=0x38 >> six, key=KEY), packet) is None


def test_a_fragment_has_no_ports() -> None:
    source, port, destination, to, addresses, _ = VECTORS[0]
    rss = RssState(enabled=True, hash_types=0x3F, key=KEY)
    for fragment in (1, 0x2000):
        assert hash_of(rss, frame(source, port, destination, to, 6, fragment=fragment)) == (addresses, 1)


@pytest.mark.parametrize("length", range(60))
def test_a_frame_cut_short_is_hashed_as_far_as_it_goes(length: int) -> None:
    rss = RssState(enabled=True, hash_types=0x3F, key=KEY)
    whole = frame(*VECTORS[0][:4], 6)
    found = hash_of(rss, whole[:length])
    addresses, ports = (VECTORS[0][4], 1), (VECTORS[0][5], 2)
    assert found == (None if length < 34 else addresses if length < 38 else ports)


def test_the_table_says_which_pair() -> None:
    rss = RssState(enabled=True, redirect=True, default_queue=3, table=(0, 1, 2, 1))
    assert [pair_of(rss, (value, 1), 9) for value in (0, 1, 6, 0xFFFFFFFF)] == [0, 1, 2, 1]
    assert pair_of(rss, None, 9) == 3
    assert pair_of(RssState(enabled=True, redirect=False), (1, 1), 2) == 2
    assert pair_of(RssState(), (1, 1), 2) == 2
