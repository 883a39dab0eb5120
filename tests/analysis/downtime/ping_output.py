"""What `ping -D` prints, in iputils' form."""

from __future__ import annotations


def reply(when: float, number: int, took: float = 0.5) -> str:
    return f"[{when:.6f}] 64 bytes from 10.0.0.2: icmp_seq={number & 0xFFFF} ttl=64 time={took} ms\n"


HEAD = "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n"
LOST = (
    HEAD
    + "".join(reply(100 + k / 10, k) for k in range(1, 6))
    + "[100.700000] no answer yet for icmp_seq=6\n"
    + "[100.800000] From 10.0.0.1 icmp_seq=7 Destination Host Unreachable\n"
    + "".join(reply(100 + k / 10, k) for k in range(9, 12))
)
