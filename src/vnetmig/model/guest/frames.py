"""The packets that guests send: each says where it came from, which one it is, and what is in it.

Knows Ethernet, IPv4, UDP and the content's checksum; knows no ring. Addresses and ports are those of a flow, so that a
device that hashes them delivers all packets of a flow to one queue.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.model.filters import ETH_HEADER, VLAN_TAG
from vnetmig.model.guest.failure import GuestFailure

PEER = b"\x02\x00\x00\x00\x00\x01"

_MAGIC = 0x70_6B_74_21
_HEAD = struct.Struct(
    "<IHHBII6s"
)  # magic, pair, flow, whether it has to come back, number, length of the filling, address
_CRC = struct.Struct("<I")
_IPV4_UDP = 28
_FILLING = bytes((7 * i + i // 251) & 0xFF for i in range(4096))

FILLING_MAX = 1400


@dataclass(frozen=True, slots=True)
class Packet:
    """``address``: the Ethernet address that the echo comes back to; ``vlan`` None is untagged."""

    pair: int
    flow: int
    comes_back: bool
    number: int
    length: int
    address: bytes
    vlan: int | None = None

    def frame(self) -> bytes:
        tag = b"" if self.vlan is None else VLAN_TAG + self.vlan.to_bytes(2, "big")
        head = _HEAD.pack(_MAGIC, self.pair, self.flow, self.comes_back, self.number, self.length, self.address)
        start = self.number * 13 % 2048
        content = head + _FILLING[start : start + self.length]
        ip = _ipv4_udp(self.pair, self.flow, len(content) + _CRC.size)
        crc = zlib.crc32(content, 0 if self.vlan is None else self.vlan + 1)
        return PEER + self.address + tag + b"\x08\x00" + ip + content + _CRC.pack(crc)


@lru_cache(maxsize=256)
def _ipv4_udp(pair: int, flow: int, length: int) -> bytes:
    addresses = bytes([10, 0, pair, flow, 10, 1, 0, 1])
    total = _IPV4_UDP + length
    head = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0x4000, 64, 17, 0) + addresses
    return head + struct.pack(">HHHH", 40000 + 256 * pair + flow, 7, 8 + length, 0)


def echoed(frame: bytes) -> Packet:
    """The packet in a frame that came back. GuestFailure when it is not as it was sent."""
    vlan = int.from_bytes(frame[14:16], "big") if frame[12:14] == VLAN_TAG else None
    at = ETH_HEADER + (0 if vlan is None else 4) + _IPV4_UDP
    if len(frame) < at + _HEAD.size + _CRC.size:
        raise GuestFailure(f"a frame of {len(frame)} bytes came that nobody sent")
    magic, pair, flow, comes_back, number, length, address = _HEAD.unpack_from(frame, at)
    packet = Packet(pair, flow, bool(comes_back), number, length, address, vlan)
    if magic != _MAGIC or length > FILLING_MAX or len(frame) != at + _HEAD.size + length + _CRC.size:
        raise GuestFailure(f"a frame of {len(frame)} bytes came that nobody sent")
    sent = packet.frame()
    if frame != address + PEER + sent[12:]:
        raise GuestFailure(f"packet {number} of pair {pair}, flow {flow} came back altered")
    return packet
