"""The device's side of a split virtqueue.

Sources: virtio 1.3, 2.7; qemu: hw/virtio/virtio.c (virtqueue_split_pop, virtqueue_split_fill, virtqueue_split_flush,
virtio_split_should_notify), whose messages are used. Knows one ring; knows no device. The driver may write anything at
any time: every index is checked when it is used, and no loop is longer than the ring.
"""

from __future__ import annotations

import struct

from vnetmig.model.guest_ram import GuestRam, OutsideGuestRam
from vnetmig.model.queue import (
    DESC_F_INDIRECT,
    DESC_F_NEXT,
    DESC_SIZE,
    SIZE_MAX,
    Chain,
    Queue,
    RingFault,
    need_event,
)

AVAIL_F_NO_INTERRUPT = 1
USED_F_NO_NOTIFY = 1
INDEX, ENTRIES = 2, 4  # flags, idx, ring[] (virtio 1.3, 2.7.6 and 2.7.8)
USED_ENTRY = 8

_DESC = struct.Struct("<QIHH")
_USED = struct.Struct("<II")


class SplitRing:
    """One split ring in ``ram``; its indices are in ``queue``, which outlives it."""

    def __init__(self, ram: GuestRam, queue: Queue, *, event_idx: bool, indirect: bool) -> None:
        self.ram = ram
        self.queue = queue
        self.event_idx = event_idx
        self.indirect = indirect

    def _u16(self, gpa: int) -> int:
        try:
            return self.ram.u16(gpa)
        except OutsideGuestRam:
            raise RingFault("Cannot map avail") from None

    def _put(self, gpa: int, data: bytes) -> None:
        try:
            self.ram.write(gpa, data)
        except OutsideGuestRam:
            raise RingFault("Cannot map used") from None

    def _avail_idx(self) -> int:
        queue = self.queue
        queue.shadow_avail_idx = self._u16(queue.avail + INDEX)
        return queue.shadow_avail_idx

    def empty(self) -> bool:
        queue = self.queue
        if not queue.desc:
            return True
        return queue.shadow_avail_idx == queue.last_avail_idx and self._avail_idx() == queue.last_avail_idx

    def pop(self) -> Chain | None:
        queue = self.queue
        if self.empty():
            return None
        heads = (self._avail_idx() - queue.last_avail_idx) & 0xFFFF
        if heads > queue.num:
            raise RingFault(f"Guest moved used index from {queue.last_avail_idx} to {queue.shadow_avail_idx}")
        if not heads:
            return None
        if queue.inuse >= queue.num:
            raise RingFault("Virtqueue size exceeded")
        head = self._u16(queue.avail + ENTRIES + 2 * (queue.last_avail_idx % queue.num))
        queue.last_avail_idx = (queue.last_avail_idx + 1) & 0xFFFF
        if head >= queue.num:
            raise RingFault(f"Guest says index {head} is available")
        if self.event_idx:
            self._set_avail_event(queue.last_avail_idx)
        chain = self._chain(head)
        queue.inuse += 1
        return chain

    def _descriptor(self, table: int, index: int) -> tuple[int, int, int, int]:
        data = self.ram.read(table + DESC_SIZE * index, DESC_SIZE)
        if data is None:
            raise RingFault("Cannot map desc")
        return _DESC.unpack(data)

    def _chain(self, head: int) -> Chain:
        table, limit = self.queue.desc, self.queue.num
        gpa, length, flags, following = self._descriptor(table, head)
        if flags & DESC_F_INDIRECT:
            if not self.indirect or not length or length % DESC_SIZE:
                raise RingFault("Invalid size for indirect buffer table")
            table, limit = gpa, min(length // DESC_SIZE, SIZE_MAX)
            gpa, length, flags, following = self._descriptor(table, 0)
        chain = Chain(head, 1, [], [])
        while True:
            chain.add(gpa, length, flags, limit, self.ram.size)
            if not flags & DESC_F_NEXT:
                return chain
            if following >= limit:
                raise RingFault(f"Desc next is {following}")
            gpa, length, flags, following = self._descriptor(table, following)

    def unpop(self, chain: Chain) -> None:
        queue = self.queue
        queue.last_avail_idx = (queue.last_avail_idx - 1) & 0xFFFF
        queue.inuse -= 1

    def push(self, chains: list[tuple[Chain, int]]) -> None:
        queue = self.queue
        for number, (chain, written) in enumerate(chains):
            place = (queue.used_idx + number) % queue.num
            self._put(queue.used + ENTRIES + USED_ENTRY * place, _USED.pack(chain.index, written))
        old, new = queue.used_idx, (queue.used_idx + len(chains)) & 0xFFFF
        self._set_used_idx(new)
        queue.inuse -= len(chains)
        if (new - queue.signalled_used) & 0xFFFF < (new - old) & 0xFFFF:
            queue.signalled_used_valid = False

    def _set_used_idx(self, index: int) -> None:
        self.queue.used_idx = index
        self._put(self.queue.used + INDEX, index.to_bytes(2, "little"))

    def should_notify(self) -> bool:
        queue = self.queue
        if not self.event_idx:
            return not self._u16(queue.avail) & AVAIL_F_NO_INTERRUPT
        valid, old, new = queue.signalled_used_valid, queue.signalled_used, queue.used_idx
        queue.signalled_used_valid, queue.signalled_used = True, new
        return not valid or need_event(self._u16(queue.avail + ENTRIES + 2 * queue.num), new, old)

    def set_notification(self, enable: bool) -> None:
        queue = self.queue
        queue.notification = enable
        if not queue.desc:
            return
        if self.event_idx:
            if enable:
                self._set_avail_event(self._avail_idx())
            return
        flags = self._u16(queue.used)
        changed = flags & ~USED_F_NO_NOTIFY if enable else flags | USED_F_NO_NOTIFY
        if changed != flags:
            self._put(queue.used, changed.to_bytes(2, "little"))

    def _set_avail_event(self, index: int) -> None:
        if self.queue.notification:  # qemu: vring_set_avail_event
            self._put(self.queue.used + ENTRIES + USED_ENTRY * self.queue.num, index.to_bytes(2, "little"))
