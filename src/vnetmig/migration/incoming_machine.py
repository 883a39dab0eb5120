"""The machine of a destination that has backends, and lets a guest go on.

Knows which backend serves which device, and how a guest is found in RAM that has arrived; knows no stream. A backend is
prepared at the first state of its device and gets only what differs at the last; if the migration fails, everything is
undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vnetmig.backend.interface import Backend
from vnetmig.errors import MigrationError
from vnetmig.migration.device import Device
from vnetmig.migration.foreign import run_all
from vnetmig.migration.machine_control import AnyIncoming
from vnetmig.migration.net_work import net_work
from vnetmig.model.concurrent import RunningGuest
from vnetmig.model.guest import Guest
from vnetmig.model.guest_ram import PAGE_SIZE, RAM_MAX, GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.model.wire import EchoWire
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.virtio.section import device_of
from vnetmig.vmstate.record import Record

Key = tuple[str, int]


class BackedMachine(AnyIncoming):
    """``backend``: makes the backend of a virtio-net, by its idstr. Whatever the devices are, they are taken."""

    def __init__(self, backend: Callable[[str], Backend]) -> None:
        self.backends: dict[Key, Backend] = {}
        self._make = backend

    def prepare(self, idstr: str, instance_id: int, state: Record) -> None:
        if device_of(idstr) == "virtio-net":
            self._backend(idstr, instance_id).prepare(net_work(state))

    def commit(self, idstr: str, instance_id: int, state: Record) -> None:
        if device_of(idstr) == "virtio-net":
            self._backend(idstr, instance_id).commit(net_work(state))

    def abort(self) -> None:
        run_all([backend.abort for backend in self.backends.values()])

    def close(self) -> None:
        """Give the backends back: the machine is not needed any more."""
        run_all([backend.close for backend in self.backends.values()])

    def _backend(self, idstr: str, instance_id: int) -> Backend:
        key = idstr, instance_id
        if key not in self.backends:
            self.backends[key] = self._make(idstr)
        return self.backends[key]


class GuestMachine(BackedMachine):
    """The same for a machine whose RAM holds a guest of model/guest: it goes on here when it is given away."""

    def __init__(self, backend: Callable[[str], Backend]) -> None:
        super().__init__(backend)
        self.net: NetModel | None = None
        self.guest: RunningGuest | None = None

    def loaded(self, devices: Sequence[Device], memory: GuestMemory | None) -> None:
        nets = [d for d in devices if device_of(d.idstr) == "virtio-net" and isinstance(d.state, Record)]
        if memory is None or not nets:
            raise MigrationError("no guest can go on here: the stream brought no RAM, or no virtio-net")
        state = nets[0].state
        assert isinstance(state, Record)
        try:
            ram = GuestRam.from_pages(*_pages(memory))
            self.net = NetModel.from_record(state, ram, EchoWire())
            self.guest = RunningGuest(Guest.attach(ram, self.net))
        except ValueError as error:
            raise MigrationError(f"no guest can go on here: {error}") from None

    def start(self) -> None:
        assert self.net is not None and self.guest is not None
        self.net.resume()
        self.net.announce()  # qemu: net/announce.c:qemu_announce_self, once the guest may run
        self.guest.start()


def _pages(memory: GuestMemory) -> tuple[int, dict[int, bytes]]:
    """(size, pages) of memory that is known from address 0 on."""
    zero = bytes(PAGE_SIZE)
    pages: dict[int, bytes] = {}
    gpa = 0
    while gpa < RAM_MAX and (page := memory.page(gpa)) is not None:
        if page != zero:
            pages[gpa] = page
        gpa += PAGE_SIZE
    return gpa, pages
