"""Frames and commands through the rings: transmit, receive, control.

Sources: qemu: hw/net/virtio-net.c (virtio_net_flush_tx, virtio_net_receive_rcu, virtio_net_handle_ctrl); virtio 1.3,
5.1.6. Knows chains and frames; takes no lock and sends no interrupt: it says whether one is due. RingFault goes to the
caller.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from vnetmig.model import control
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_values import NetValues
from vnetmig.model.queue import Chain, Ring, RingFault

FRAME_MAX = 65536 + 14
"""Bytes of a frame at most (virtio 1.3, 5.1.6.3.1); a longer chain is used without being sent."""

HASH_REPORT_NONE = 0

_HEADER = struct.Struct("<BBHHHHHIHH")  # struct virtio_net_hdr_v1_hash (virtio 1.3, 5.1.6)
_NUM_BUFFERS = 10


def gather(ram: GuestRam, parts: list[tuple[int, int]], limit: int) -> bytes:
    """At most ``limit`` bytes of the device-readable part of a chain."""
    content = bytearray()
    for gpa, length in parts:
        content += ram.fetch(gpa, min(length, limit - len(content)))
        if len(content) == limit:
            break
    return bytes(content)


def scatter(ram: GuestRam, parts: list[tuple[int, int]], data: bytes) -> int:
    """Write ``data`` to the device-writable part of a chain; how much of it fitted."""
    done = 0
    for gpa, length in parts:
        if done == len(data):
            break
        piece = data[done : done + length]
        ram.write(gpa, piece)
        done += len(piece)
    return done


def transmit(ram: GuestRam, ring: Ring, header_length: int, send: Callable[[bytes], None]) -> bool:
    """Send what the driver made available, at most one ring full; is an interrupt due?"""
    used = False
    for _ in range(ring.queue.num):
        chain = ring.pop()
        if chain is None:
            break
        if not chain.readable:
            raise RingFault("virtio-net header not in first element")
        content = gather(ram, chain.readable, header_length + FRAME_MAX + 1)
        if len(content) < header_length:
            raise RingFault("virtio-net header incorrect")
        if len(content) <= header_length + FRAME_MAX:
            send(content[header_length:])
        ring.push([(chain, 0)])
        used = True
    return used and ring.should_notify()


def _take(ring: Ring, needed: int, merge: bool) -> list[Chain] | None:
    """Buffers for ``needed`` bytes; None, and none taken, when there are not enough."""
    chains: list[Chain] = []
    room = 0
    while room < needed and len(chains) < (ring.queue.num if merge else 1):
        chain = ring.pop()
        if chain is None:
            break
        if not chain.writable:
            raise RingFault("virtio-net receive queue contains no in buffers")
        chains.append(chain)
        room += sum(length for _, length in chain.writable)
    if chains and room >= needed:
        return chains
    for chain in reversed(chains):
        ring.unpop(chain)
    return None


def receive(
    ram: GuestRam, ring: Ring, values: NetValues, frame: bytes, found: tuple[int, int] | None
) -> tuple[bool, bool]:
    """Put ``frame`` into receive buffers: (whether they were enough, whether an interrupt is due).

    ``found``: hash and report of the frame, for a driver that accepted VIRTIO_NET_F_HASH_REPORT.
    """
    length = values.header_length
    value, report = (0, HASH_REPORT_NONE) if found is None else found
    chains = _take(ring, length + len(frame), bool(values.mergeable_rx_bufs))
    if chains is None:
        ring.set_notification(True)  # the driver is to say when there are more
        return False, False
    header = _HEADER.pack(0, 0, 0, 0, 0, 0, len(chains), value, report, 0)[:length]
    content, done = header + frame, 0
    used = []
    for chain in chains:
        written = scatter(ram, chain.writable, content[done:])
        used.append((chain, written))
        done += written
    ring.push(used)
    return True, ring.should_notify()


def run_commands(ram: GuestRam, ring: Ring, values: NetValues) -> bool:
    """Run the control commands that the driver made available, at most one ring full; is an interrupt due?"""
    used = False
    for _ in range(ring.queue.num):
        chain = ring.pop()
        if chain is None:
            break
        command = gather(ram, chain.readable, control.COMMAND_MAX)
        if not chain.writable or len(command) < 2:
            raise RingFault("virtio-net ctrl missing headers")
        acknowledgement = control.handle(values, command)
        ring.push([(chain, scatter(ram, chain.writable, bytes([acknowledgement])))])
        used = True
    return used and ring.should_notify()
