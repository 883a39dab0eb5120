"""One virtqueue as the device holds it, and a buffer taken from it.

Knows the values (qemu: hw/virtio/virtio.c:VirtQueue, hw/virtio/virtio-pci.h:VirtIOPCIQueue); the ring formats are in
split_ring and packed_ring.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from vnetmig.errors import VnetmigError

SIZE_MAX = 1024
"""VIRTQUEUE_MAX_SIZE: entries of a ring, and descriptors of a buffer."""

NO_VECTOR = 0xFFFF

DESC_F_NEXT, DESC_F_WRITE, DESC_F_INDIRECT = 1, 2, 4  # virtio 1.3, 2.7.5 and 2.8.13
DESC_SIZE = 16


class RingFault(VnetmigError):
    """What a guest wrote into a ring makes no sense: the device is broken. The text is QEMU's (virtio_error)."""


@dataclass(slots=True)
class Programmed:
    """What the driver wrote to the transport's registers; it reaches the queue when the queue is enabled."""

    num: int = 0
    enabled: int = 0
    desc: int = 0
    avail: int = 0
    used: int = 0


@dataclass(slots=True)
class Queue:
    """One virtqueue. ``avail`` and ``used`` are the driver and the device area of a packed ring."""

    num_default: int
    num: int = 0
    desc: int = 0
    avail: int = 0
    used: int = 0
    align: int = 4096  #: of a legacy device's used ring
    vector: int = NO_VECTOR
    last_avail_idx: int = 0
    last_avail_wrap_counter: int = 1
    shadow_avail_idx: int = 0
    shadow_avail_wrap_counter: int = 1
    used_idx: int = 0
    used_wrap_counter: int = 1
    inuse: int = 0
    signalled_used: int = 0
    signalled_used_valid: bool = False
    notification: bool = True
    tx_waiting: int = 0
    programmed: Programmed = field(default_factory=Programmed)

    def __post_init__(self) -> None:
        self.num = self.num or self.num_default

    def reset(self) -> None:
        """qemu: hw/virtio/virtio.c:__virtio_queue_reset, and the transport's part of it."""
        self.__init__(self.num_default)  # type: ignore[misc]


@dataclass(slots=True)
class Chain:
    """A buffer that was taken from a ring: what the device may read and what it may write, as (address, length)."""

    index: int  #: split: the head descriptor; packed: the buffer id
    ndescs: int  #: ring entries that it takes; 1 in a split ring
    readable: list[tuple[int, int]]
    writable: list[tuple[int, int]]

    def add(self, gpa: int, length: int, flags: int, limit: int, ram_size: int) -> None:
        """One more descriptor of the buffer. RingFault as qemu: virtqueue_split_pop and virtqueue_map_desc."""
        if not length:
            raise RingFault("virtio: zero sized buffers are not allowed")
        if gpa + length > ram_size:
            raise RingFault("virtio: bogus descriptor or out of resources")
        if flags & DESC_F_WRITE:
            self.writable.append((gpa, length))
        elif self.writable:
            raise RingFault("Incorrect order for descriptors")
        else:
            self.readable.append((gpa, length))
        if len(self.readable) + len(self.writable) > limit:
            raise RingFault("Looped descriptor")


class Ring(Protocol):
    """The device's side of one virtqueue. Every method may raise RingFault."""

    queue: Queue

    def empty(self) -> bool:
        """Has the driver made nothing available that was not taken?"""

    def pop(self) -> Chain | None:
        """Take the next buffer."""

    def unpop(self, chain: Chain) -> None:
        """Give back the buffer that was taken last, as if it had not been taken."""

    def push(self, chains: list[tuple[Chain, int]]) -> None:
        """Use buffers, each with the number of bytes written into it; the driver sees all of them or none."""

    def should_notify(self) -> bool:
        """Does the driver want an interrupt for what was used since the last one?"""

    def set_notification(self, enable: bool) -> None:
        """Ask the driver for doorbells, or to spare them."""


def need_event(event: int, new: int, old: int) -> bool:
    """Has the index passed ``event`` on its way from ``old`` to ``new``? (virtio 1.3, 2.7.7.1: vring_need_event)"""
    return (new - event - 1) & 0xFFFF < (new - old) & 0xFFFF
