"""On which queue pair a frame arrives: receive-side scaling, or where the backend put it.

Sources: virtio 1.3, 5.1.6.4.3 and 5.1.6.5.7; qemu: hw/net/virtio-net.c:virtio_net_process_rss. Knows frames and the RSS
values; knows no ring.
"""

from __future__ import annotations

from functools import lru_cache

from vnetmig.model.filters import ETH_HEADER, vlan_of
from vnetmig.model.net_values import RssState

#      hash type bit  VIRTIO_NET_HASH_REPORT_*
IPV4, TCPV4, UDPV4 = (1 << 0, 1), (1 << 1, 2), (1 << 2, 3)
IPV6, TCPV6, UDPV6 = (1 << 3, 4), (1 << 4, 5), (1 << 5, 6)

#           (EtherType, protocol) -> kinds of hash, the most particular first
_KINDS = {
    (0x0800, 6): (TCPV4, IPV4),
    (0x0800, 17): (UDPV4, IPV4),
    (0x86DD, 6): (TCPV6, IPV6),
    (0x86DD, 17): (UDPV6, IPV6),
}
_ANY = {0x0800: (IPV4,), 0x86DD: (IPV6,)}
_WITH_PORTS = (TCPV4, UDPV4, TCPV6, UDPV6)


@lru_cache(maxsize=8)
def _windows(key: bytes) -> tuple[int, ...]:
    """32 bits of the key from each bit on."""
    bits = int.from_bytes(key, "big") << 32
    total = 8 * len(key) + 32
    return tuple(bits >> total - 32 - i & 0xFFFFFFFF for i in range(8 * len(key)))


@lru_cache(maxsize=1024)
def toeplitz(key: bytes, data: bytes) -> int:
    """The Toeplitz hash of ``data``, 32 bits; ``key`` is 40 bytes, ``data`` at most 36."""
    windows = _windows(key)
    value = 0
    for number, byte in enumerate(data):
        for bit in range(8):
            if byte & 0x80 >> bit:
                value ^= windows[8 * number + bit]
    return value


def hash_of(rss: RssState, frame: bytes) -> tuple[int, int] | None:
    """(hash, report) of a frame; None when none of the wanted hash types fits it."""
    at = ETH_HEADER + (4 if vlan_of(frame) is not None else 0)
    ethertype = int.from_bytes(frame[at - 2 : at], "big")
    kinds: tuple[tuple[int, int], ...]
    if ethertype == 0x0800 and len(frame) >= at + 20:
        header = 4 * (frame[at] & 0xF)
        fragment = int.from_bytes(frame[at + 6 : at + 8], "big") & 0x3FFF
        kinds = _ANY[ethertype] if fragment else _KINDS.get((ethertype, frame[at + 9]), _ANY[ethertype])
        addresses, ports = frame[at + 12 : at + 20], frame[at + header : at + header + 4]
    elif ethertype == 0x86DD and len(frame) >= at + 40:
        kinds = _KINDS.get((ethertype, frame[at + 6]), _ANY[ethertype])
        addresses, ports = frame[at + 8 : at + 40], frame[at + 40 : at + 44]
    else:
        return None
    for kind in kinds:
        if rss.hash_types & kind[0]:
            if kind not in _WITH_PORTS:
                return toeplitz(rss.key, addresses), kind[1]
            if len(ports) == 4:
                return toeplitz(rss.key, addresses + ports), kind[1]
    return None


def pair_of(rss: RssState, found: tuple[int, int] | None, pair: int) -> int:
    """The queue pair of a frame with hash ``found`` that the backend delivers to ``pair``."""
    if not rss.enabled or not rss.redirect:
        return pair
    if found is None:
        return rss.default_queue
    return rss.table[found[0] & len(rss.table) - 1]
