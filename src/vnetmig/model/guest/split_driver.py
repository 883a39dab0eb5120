"""The driver's side of a split virtqueue. Source: virtio 1.3, 2.7.

Knows one ring, its driver block and the slots of its buffers; knows no packet. Slot s has the descriptors from ``per *
s`` on. Everything it remembers is in guest memory: any other object for the same place goes on where this one stopped.
"""

from __future__ import annotations

import struct

from vnetmig.model.guest import layout
from vnetmig.model.guest.buffer_slots import AVAIL, BUSY, INDIRECT, INDIRECT_MAX, USED, BufferSlots, Part
from vnetmig.model.guest.failure import GuestFailure
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.queue import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESC_SIZE, need_event

_BLOCK = struct.Struct("<HHHHHH")  # num, per, event_idx, avail_idx, last_used_idx, told
_DESC = struct.Struct("<QIHH")
_USED = struct.Struct("<II")


class SplitDriver(BufferSlots):
    """The queue whose areas are at ``place`` of the layout."""

    def __init__(self, ram: GuestRam, place: int) -> None:
        super().__init__(ram, place)
        self.num, self.per, self.event_idx, self.avail_idx, self.last_used_idx, self.told = _BLOCK.unpack(
            ram.fetch(self.block, _BLOCK.size)
        )

    @classmethod
    def set_up(cls, ram: GuestRam, place: int, num: int, per: int, *, event_idx: bool, quiet: bool) -> SplitDriver:
        """A new ring of ``num`` entries, nothing in it. ``quiet``: no interrupts, please."""
        block = layout.DRIVERS_AT + layout.DRIVER_SIZE * place
        area = layout.QUEUES_AT + layout.QUEUE_AREA * place
        ram.write(area, bytes(INDIRECT))
        ram.write(block, _BLOCK.pack(num, per, event_idx, 0, 0, 0))
        if quiet and not event_idx:
            ram.put_u16(area + AVAIL, 1)
        return cls(ram, place)

    def _store(self) -> None:
        self.ram.write(
            self.block,
            _BLOCK.pack(self.num, self.per, self.event_idx, self.avail_idx, self.last_used_idx, self.told),
        )

    def add(self, slot: int, parts: list[Part], *, indirect: bool = False) -> None:
        """Make a buffer available. At most ``per`` parts, or INDIRECT_MAX of them in an indirect table."""
        head = self.per * slot
        last = len(parts) - 1
        table, first = self.area, head
        if indirect:
            table, first = self.area + INDIRECT + INDIRECT_MAX * DESC_SIZE * slot, 0
        for number, (gpa, length, written) in enumerate(parts):
            flags = (DESC_F_WRITE if written else 0) | (DESC_F_NEXT if number < last else 0)
            entry = _DESC.pack(gpa, length, flags, first + number + 1 if number < last else 0)
            self.ram.write(table + DESC_SIZE * (first + number), entry)
        if indirect:
            entry = _DESC.pack(table, DESC_SIZE * len(parts), DESC_F_INDIRECT, 0)
            self.ram.write(self.area + DESC_SIZE * head, entry)
        self.ram.write(self.area + BUSY + slot, b"\1")
        self.ram.put_u16(self.area + AVAIL + 4 + 2 * (self.avail_idx % self.num), head)
        self.avail_idx = (self.avail_idx + 1) & 0xFFFF
        self.ram.put_u16(self.area + AVAIL + 2, self.avail_idx)
        self._store()

    def wants_doorbell(self) -> bool:
        """Does the device want to be told of what was added since it was asked last? (virtio 1.3, 2.7.10)"""
        old, self.told = self.told, self.avail_idx
        self._store()
        if self.event_idx:
            event = self.ram.u16(self.area + USED + 4 + 8 * self.num)
            return need_event(event, self.avail_idx, old)
        return not self.ram.u16(self.area + USED) & 1

    def used(self) -> tuple[int, int] | None:
        """(slot, bytes written) of the next buffer that the device is done with. GuestFailure when it cannot be."""
        used_idx = self.ram.u16(self.area + USED + 2)
        if used_idx == self.last_used_idx:
            return None
        new, out = (used_idx - self.last_used_idx) & 0xFFFF, self.busy()
        if new > out:
            raise GuestFailure(f"{self}: the device used {new} buffers of {out}")
        entry = self.ram.fetch(self.area + USED + 4 + 8 * (self.last_used_idx % self.num), 8)
        head, written = _USED.unpack(entry)
        slot, odd = divmod(head, self.per)
        if odd or slot >= self.slots or self.ram.fetch(self.area + BUSY + slot, 1) != b"\1":
            raise GuestFailure(f"{self}: the device used descriptor {head}, which it has not got")
        self.ram.write(self.area + BUSY + slot, b"\0")
        self.last_used_idx = (self.last_used_idx + 1) & 0xFFFF
        if self.event_idx:
            self.ram.put_u16(self.area + AVAIL + 4 + 2 * self.num, self.last_used_idx)
        self._store()
        return slot, written

    def __str__(self) -> str:
        return f"split queue at place {self.place}"
