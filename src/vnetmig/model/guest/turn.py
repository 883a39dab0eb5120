"""What a step works with: guest memory, the device, and the guest's state while it is out of memory.

Knows which queue is where and when the device is told of buffers; knows no packet and no command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vnetmig.model import properties as p
from vnetmig.model.guest import layout
from vnetmig.model.guest.failure import GuestFailure
from vnetmig.model.guest.filters import GuestFilters
from vnetmig.model.guest.layout import GuestState
from vnetmig.model.guest.packed_driver import PackedDriver
from vnetmig.model.guest.split_driver import SplitDriver
from vnetmig.model.guest_ram import GuestRam

Driver = SplitDriver | PackedDriver

PATIENCE = 10_000
"""Times that a guest looks at a device that does nothing before it says so: far more than a pause of any migration, in
which a guest stands, too."""


class Device(Protocol):
    """What a driver sees of its device."""

    def read(self, register: str) -> int: ...
    def write(self, register: str, value: int) -> None: ...
    def read_isr(self) -> int: ...
    def read_config(self, offset: int = 0, length: int | None = None) -> bytes: ...
    def notify(self, index: int) -> None: ...


@dataclass(slots=True)
class Turn:
    """One step of a guest."""

    ram: GuestRam
    device: Device
    state: GuestState
    filters: GuestFilters

    @property
    def driver_kind(self) -> type[SplitDriver] | type[PackedDriver]:
        return PackedDriver if self.state.features & p.RING_PACKED else SplitDriver

    def driver(self, place: int) -> Driver:
        return self.driver_kind(self.ram, place)

    def index(self, place: int) -> int:
        """The device's number of the queue that is at ``place``."""
        return self.state.control if place == layout.CONTROL else place

    def buffer(self, place: int, slot: int) -> int:
        return layout.BUFFERS_AT + layout.BUFFER * (layout.SLOTS * place + slot)

    @property
    def header_length(self) -> int:
        return 20 if self.state.features & p.HASH_REPORT else 12

    def flow(self, pair: int, flow: int) -> int:
        """Address of a flow's counters: packets sent, packets received, packets sent to be filtered."""
        return layout.FLOWS_AT + layout.FLOW_SIZE * (layout.FLOWS * pair + flow)

    def served(self, something: bool, what: str) -> None:
        """The device has done something of what it was asked for, or nothing yet."""
        state = self.state
        state.waited = 0 if something else state.waited + 1
        if state.waited > PATIENCE:
            raise GuestFailure(f"the device does nothing any more: {what} for {PATIENCE} steps")

    def kick(self, driver: Driver) -> None:
        """Tell the device of buffers, if it wants to be told."""
        self.state.unkicked &= ~(1 << driver.place)
        if driver.wants_doorbell():
            self.device.notify(self.index(driver.place))

    def kick_all(self) -> None:
        for place in range(layout.CONTROL + 1):
            if self.state.unkicked >> place & 1:
                self.kick(self.driver(place))
