"""Streams of many guests on few kinds of machines: copies of a capture, each guest with its own MAC address, each kind
with a vmdescription of its own (one field has another name, so every size stays)."""

from __future__ import annotations

from functools import lru_cache

from real_streams import committed, read

import vnetmig

FIELD = b"cpu_ticks_offset"


def mac(guest: int) -> str:
    return f"52:54:00:00:{guest >> 8:02x}:{guest & 0xFF:02x}"


@lru_cache(maxsize=4)
def guests(name: str, number: int) -> tuple[bytes, ...]:
    """The capture called ``name`` as ``number`` guests."""
    stream = vnetmig.load(read(committed(name)))
    (net,) = stream.nets()
    made = []
    for guest in range(number):
        net.mac = mac(guest)
        made.append(stream.encode())
    return tuple(made)


def of_kind(data: bytes, kind: int) -> bytes:
    """``data`` from another kind of machine."""
    assert data.count(FIELD) == 1
    return data.replace(FIELD, b"cpu_ticks_of%04d" % kind)
