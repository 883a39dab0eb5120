"""The device's side of a packed virtqueue.

Sources: virtio 1.3, 2.8; qemu: hw/virtio/virtio.c (virtqueue_packed_pop, virtqueue_packed_fill_desc,
virtqueue_packed_flush, virtio_packed_should_notify), whose messages are used. Knows one ring; knows no device. As with
the split ring, nothing that the driver wrote is trusted.
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

DESC_F_AVAIL, DESC_F_USED = 1 << 7, 1 << 15
EVENT_ENABLE, EVENT_DISABLE, EVENT_DESC = 0, 1, 2  # virtio 1.3, 2.8.10: RING_EVENT_FLAGS_*
LENGTH, FLAGS = 8, 14  # in a descriptor: addr, len, id, flags
WRAP = 1 << 15  # in an event: the offset is bits 0-14

_DESC = struct.Struct("<QIHH")
_LENGTH_ID = struct.Struct("<IH")
_EVENT = struct.Struct("<HH")


class PackedRing:
    """One packed ring in ``ram``; its indices and wrap counters are in ``queue``, which outlives it."""

    def __init__(self, ram: GuestRam, queue: Queue, *, event_idx: bool, indirect: bool) -> None:
        self.ram = ram
        self.queue = queue
        self.event_idx = event_idx
        self.indirect = indirect

    def _descriptor(self, table: int, index: int) -> tuple[int, int, int, int]:
        """(address, length, id, flags)"""
        data = self.ram.read(table + DESC_SIZE * index, DESC_SIZE)
        if data is None:
            raise RingFault("Cannot map desc")
        return _DESC.unpack(data)

    def _put(self, gpa: int, data: bytes) -> None:
        try:
            self.ram.write(gpa, data)
        except OutsideGuestRam:
            raise RingFault("Cannot map used") from None

    @staticmethod
    def _is_available(flags: int, wrap_counter: int) -> bool:
        return bool(flags & DESC_F_AVAIL) == bool(wrap_counter) != bool(flags & DESC_F_USED)

    def empty(self) -> bool:
        queue = self.queue
        if not queue.desc:
            return True
        _, _, _, flags = self._descriptor(queue.desc, queue.last_avail_idx)
        return not self._is_available(flags, queue.last_avail_wrap_counter)

    def pop(self) -> Chain | None:
        queue = self.queue
        if self.empty():
            return None
        if queue.inuse >= queue.num:
            raise RingFault("Virtqueue size exceeded")
        chain = self._chain(queue.last_avail_idx)
        if queue.inuse + chain.ndescs > queue.num:
            raise RingFault("Virtqueue size exceeded")
        queue.inuse += chain.ndescs
        self._move_avail(chain.ndescs)
        return chain

    def _chain(self, at: int) -> Chain:
        queue = self.queue
        table, limit = queue.desc, queue.num
        gpa, length, ident, flags = self._descriptor(table, at)
        chain = Chain(ident, 1, [], [])
        if flags & DESC_F_INDIRECT:
            if not self.indirect or not length or length % DESC_SIZE:
                raise RingFault("Invalid size for indirect buffer table")
            count = min(length // DESC_SIZE, SIZE_MAX)
            for index in range(count):  # virtio 1.3, 2.8.7: NEXT is reserved, the length says how many
                entry, size, _, kind = self._descriptor(gpa, index)
                chain.add(entry, size, kind, count, self.ram.size)
            return chain
        while True:
            chain.add(gpa, length, flags, limit, self.ram.size)
            chain.index = ident  # the last descriptor has the buffer's id (virtio 1.3, 2.8.6)
            if not flags & DESC_F_NEXT:
                return chain
            chain.ndescs += 1
            at = at + 1 if at + 1 < limit else 0
            gpa, length, ident, flags = self._descriptor(table, at)

    def _move_avail(self, count: int) -> None:
        queue = self.queue
        queue.last_avail_idx += count
        if queue.last_avail_idx >= queue.num:
            queue.last_avail_idx -= queue.num
            queue.last_avail_wrap_counter ^= 1
        elif queue.last_avail_idx < 0:
            queue.last_avail_idx += queue.num
            queue.last_avail_wrap_counter ^= 1
        queue.shadow_avail_idx = queue.last_avail_idx
        queue.shadow_avail_wrap_counter = queue.last_avail_wrap_counter

    def unpop(self, chain: Chain) -> None:
        self.queue.inuse -= chain.ndescs
        self._move_avail(-chain.ndescs)

    def push(self, chains: list[tuple[Chain, int]]) -> None:
        queue = self.queue
        places = []
        at, wrap_counter = queue.used_idx, queue.used_wrap_counter
        for chain, written in chains:
            places.append((at, wrap_counter, chain, written))
            at += chain.ndescs
            if at >= queue.num:
                at, wrap_counter = at - queue.num, wrap_counter ^ 1
        # The first descriptor's flags are written last: the driver sees all of them or none (virtio 1.3, 2.8.9).
        for place in reversed(places):
            self._use(*place)
        self._move_used(sum(chain.ndescs for chain, _ in chains))

    def _use(self, at: int, wrap_counter: int, chain: Chain, written: int) -> None:
        gpa = self.queue.desc + DESC_SIZE * at
        self._put(gpa + LENGTH, _LENGTH_ID.pack(written, chain.index))
        flags = DESC_F_AVAIL | DESC_F_USED if wrap_counter else 0
        self._put(gpa + FLAGS, flags.to_bytes(2, "little"))

    def _move_used(self, count: int) -> None:
        queue = self.queue
        queue.inuse -= count
        queue.used_idx += count
        if queue.used_idx >= queue.num:
            queue.used_idx -= queue.num
            queue.used_wrap_counter ^= 1
            queue.signalled_used_valid = False

    def should_notify(self) -> bool:
        queue = self.queue
        data = self.ram.read(queue.avail, 4)
        if data is None:
            raise RingFault("Cannot map avail")
        off_wrap, flags = _EVENT.unpack(data)
        valid, old, new = queue.signalled_used_valid, queue.signalled_used, queue.used_idx
        queue.signalled_used_valid, queue.signalled_used = True, new
        if flags == EVENT_DISABLE:
            return False
        if flags == EVENT_ENABLE:
            return True
        offset = off_wrap & ~WRAP
        if queue.used_wrap_counter != off_wrap >> 15:
            offset -= queue.num
        return not valid or need_event(offset, new, old)

    def set_notification(self, enable: bool) -> None:
        self.queue.notification = enable
        if not self.queue.desc:
            return
        if not enable:
            self._set_event(EVENT_DISABLE)
        else:
            self._set_event(EVENT_DESC if self.event_idx else EVENT_ENABLE)

    def _set_event(self, flags: int) -> None:
        queue = self.queue
        off_wrap = queue.shadow_avail_idx | (WRAP if queue.shadow_avail_wrap_counter else 0)
        data = self.ram.read(queue.used, 4)
        if data is None:
            raise RingFault("Cannot map used")
        event = _EVENT.pack(off_wrap if flags == EVENT_DESC else _EVENT.unpack(data)[0], flags)
        if event != data:
            self._put(queue.used, event)
