"""The driver's side of a packed virtqueue. Source: virtio 1.3, 2.8.

Knows one ring, its driver block and the slots of its buffers; knows no packet. A slot's number is its buffer id. As
with the split ring, everything it remembers is in guest memory.
"""

from __future__ import annotations

import struct

from vnetmig.model.guest import layout
from vnetmig.model.guest.buffer_slots import AVAIL, BUSY, INDIRECT, INDIRECT_MAX, USED, BufferSlots, Part
from vnetmig.model.guest.failure import GuestFailure
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.packed_ring import DESC_F_AVAIL, DESC_F_USED, EVENT_DESC, EVENT_DISABLE, FLAGS, WRAP
from vnetmig.model.queue import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESC_SIZE, need_event

COUNTS = BUSY + 0x100  # ring entries of each slot's buffer

_BLOCK = struct.Struct("<HHHHHHHHH")  # num, per, event_idx, next_avail, avail_wrap, next_used, used_wrap, free, added
_DESC = struct.Struct("<QIHH")


class PackedDriver(BufferSlots):
    """The queue whose areas are at ``place`` of the layout."""

    def __init__(self, ram: GuestRam, place: int) -> None:
        super().__init__(ram, place)
        (
            self.num,
            self.per,
            self.event_idx,
            self.next_avail,
            self.avail_wrap,
            self.next_used,
            self.used_wrap,
            self.free,
            self.added,
        ) = _BLOCK.unpack(ram.fetch(self.block, _BLOCK.size))

    @classmethod
    def set_up(cls, ram: GuestRam, place: int, num: int, per: int, *, event_idx: bool, quiet: bool) -> PackedDriver:
        """A new ring of ``num`` entries, nothing in it. ``quiet``: no interrupts, please."""
        block = layout.DRIVERS_AT + layout.DRIVER_SIZE * place
        area = layout.QUEUES_AT + layout.QUEUE_AREA * place
        ram.write(area, bytes(INDIRECT))
        ram.write(block, _BLOCK.pack(num, per, event_idx, 0, 1, 0, 1, num, 0))
        if quiet:
            ram.put_u16(area + AVAIL + 2, EVENT_DISABLE)
        return cls(ram, place)

    def _store(self) -> None:
        self.ram.write(
            self.block,
            _BLOCK.pack(
                self.num,
                self.per,
                self.event_idx,
                self.next_avail,
                self.avail_wrap,
                self.next_used,
                self.used_wrap,
                self.free,
                self.added,
            ),
        )

    def add(self, slot: int, parts: list[Part], *, indirect: bool = False) -> None:
        """Make a buffer available. At most ``per`` parts, or INDIRECT_MAX of them in an indirect table."""
        entries = [(gpa, length, DESC_F_WRITE if written else 0) for gpa, length, written in parts]
        if indirect:
            table = self.area + INDIRECT + INDIRECT_MAX * DESC_SIZE * slot
            self.ram.write(table, b"".join(_DESC.pack(gpa, length, 0, flags) for gpa, length, flags in entries))
            entries = [(table, DESC_SIZE * len(parts), DESC_F_INDIRECT)]
        last, head = len(entries) - 1, self.next_avail
        head_flags = 0
        for number, (gpa, length, flags) in enumerate(entries):
            flags |= DESC_F_NEXT if number < last else 0
            flags |= DESC_F_AVAIL if self.avail_wrap else DESC_F_USED
            at = self.area + DESC_SIZE * self.next_avail
            if number:
                self.ram.write(at, _DESC.pack(gpa, length, slot, flags))
            else:
                head_flags = flags  # written last: the whole buffer becomes available at once (virtio 1.3, 2.8.21)
                self.ram.write(at, _DESC.pack(gpa, length, slot, 0)[:FLAGS])
            self.next_avail += 1
            if self.next_avail == self.num:
                self.next_avail, self.avail_wrap = 0, self.avail_wrap ^ 1
        self.ram.write(self.area + BUSY + slot, b"\1")
        self.ram.write(self.area + COUNTS + slot, bytes([len(entries)]))
        self.ram.put_u16(self.area + DESC_SIZE * head + FLAGS, head_flags)
        self.free -= len(entries)
        self.added += len(entries)
        self._store()

    def wants_doorbell(self) -> bool:
        """Does the device want to be told of what was added since it was asked last? (virtio 1.3, 2.8.21.3.1)"""
        new, old = self.next_avail, self.next_avail - self.added
        self.added = 0
        self._store()
        off_wrap, flags = self.ram.u16(self.area + USED), self.ram.u16(self.area + USED + 2)
        if flags != EVENT_DESC:
            return flags != EVENT_DISABLE
        offset = off_wrap & ~WRAP
        if off_wrap >> 15 != self.avail_wrap:
            offset -= self.num
        return need_event(offset, new, old)

    def used(self) -> tuple[int, int] | None:
        """(slot, bytes written) of the next buffer that the device is done with. GuestFailure when it cannot be."""
        entry = self.ram.fetch(self.area + DESC_SIZE * self.next_used, DESC_SIZE)
        _, written, slot, flags = _DESC.unpack(entry)
        is_avail, is_used = bool(flags & DESC_F_AVAIL), bool(flags & DESC_F_USED)
        if is_avail != is_used or is_used != bool(self.used_wrap):
            return None
        if slot >= self.slots or self.ram.fetch(self.area + BUSY + slot, 1) != b"\1":
            raise GuestFailure(f"{self}: the device used buffer {slot}, which it has not got")
        count = self.ram.fetch(self.area + COUNTS + slot, 1)[0]
        self.ram.write(self.area + BUSY + slot, b"\0")
        self.next_used += count
        if self.next_used >= self.num:
            self.next_used, self.used_wrap = self.next_used - self.num, self.used_wrap ^ 1
        self.free += count
        self._store()
        return slot, written

    def __str__(self) -> str:
        return f"packed queue at place {self.place}"
