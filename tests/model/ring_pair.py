"""A ring with both its sides in one place: the device's and a guest's driver."""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.model.guest.layout import RAM_MIN
from vnetmig.model.guest.packed_driver import PackedDriver
from vnetmig.model.guest.split_driver import SplitDriver
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.packed_ring import PackedRing
from vnetmig.model.queue import Queue, Ring
from vnetmig.model.split_ring import SplitRing

DATA = 0x100000


@dataclass
class Pair:
    ram: GuestRam
    driver: SplitDriver | PackedDriver
    ring: Ring

    @property
    def queue(self) -> Queue:
        return self.ring.queue


def pair(kind: str, num: int = 16, *, per: int = 1, event_idx: bool = False, quiet: bool = False) -> Pair:
    ram = GuestRam(RAM_MIN)
    drivers = {"split": SplitDriver, "packed": PackedDriver}
    rings = {"split": SplitRing, "packed": PackedRing}
    driver = drivers[kind].set_up(ram, 0, num, per, event_idx=event_idx, quiet=quiet)
    desc, avail, used = driver.addresses
    queue = Queue(num, desc=desc, avail=avail, used=used)
    return Pair(ram, driver, rings[kind](ram, queue, event_idx=event_idx, indirect=True))
