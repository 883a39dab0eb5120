"""Where a driver's queue stands in guest memory, and which of its buffers the device has: alike for both kinds of ring.

Knows areas and slots; knows no ring.
"""

from __future__ import annotations

from vnetmig.model.guest import layout
from vnetmig.model.guest_ram import GuestRam

Part = tuple[int, int, bool]
"""(address, length, whether the device writes it)"""

AVAIL, USED, BUSY, INDIRECT = 0x1000, 0x2000, 0x3000, 0x4000
INDIRECT_MAX = 4


class BufferSlots:
    """The queue whose areas are at ``place`` of the layout. ``num`` entries, ``per`` of them for a slot."""

    num: int
    per: int

    def __init__(self, ram: GuestRam, place: int) -> None:
        self.ram = ram
        self.place = place
        self.block = layout.DRIVERS_AT + layout.DRIVER_SIZE * place
        self.area = layout.QUEUES_AT + layout.QUEUE_AREA * place

    @property
    def addresses(self) -> tuple[int, int, int]:
        return self.area, self.area + AVAIL, self.area + USED

    @property
    def slots(self) -> int:
        return min(layout.SLOTS, self.num // self.per)

    def busy(self) -> int:
        """Slots that the device has."""
        return self.ram.fetch(self.area + BUSY, self.slots).count(1)

    def free_slot(self, start: int = 0) -> int | None:
        """A slot that the device has not got, the first from ``start`` on."""
        busy = self.ram.fetch(self.area + BUSY, self.slots)
        slot = busy.find(0, start % self.slots)
        if slot < 0:
            slot = busy.find(0)
        return None if slot < 0 else slot
