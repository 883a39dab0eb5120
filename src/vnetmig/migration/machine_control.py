"""What a migration does to the machine itself: stops it, lets it go on, prepares and starts it on the other side.

Knows the order that both sides keep; a recorded machine has nothing to stop, a running one (live_machine.py) has. Every
hook is called from the side's own state machine, so that whoever is stopped, started or let go follows from its state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vnetmig.migration.device import Device
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.vmstate.record import Record


class OutgoingMachine(Protocol):
    """The machine at the source."""

    def stop(self) -> None:
        """Stop the guest and what runs beside it (vhost); its state is final from here on."""

    def resume(self) -> None:
        """The migration failed: the guest goes on here. Also called when it was never stopped."""

    def release(self) -> None:
        """It runs at the destination: nothing of it may run here any more."""


class IncomingMachine(Protocol):
    """The machine at the destination, which does not run yet. What raises a VnetmigError ends the migration."""

    def knows(self, idstr: str, instance_id: int) -> bool:
        """Does this machine have such a device?"""

    def prepare(self, idstr: str, instance_id: int, state: Record) -> None:
        """A state that may not be the last one: do what takes long, now, while the guest runs elsewhere."""

    def commit(self, idstr: str, instance_id: int, state: Record) -> None:
        """The final state of a device: do what is still different."""

    def loaded(self, devices: Sequence[Device], memory: GuestMemory | None) -> None:
        """All is there. Afterwards only ``start`` is missing."""

    def start(self) -> None:
        """The machine belongs to this side: let the guest run."""

    def abort(self) -> None:
        """Undo everything. May be called at any time before ``start``, and more than once."""


class AnyOutgoing:
    """A machine that needs nothing to be done."""

    def stop(self) -> None:
        return None

    def resume(self) -> None:
        return None

    def release(self) -> None:
        return None


class AnyIncoming:
    """A machine that takes every device, and has nothing to prepare or to start."""

    def knows(self, idstr: str, instance_id: int) -> bool:
        return True

    def prepare(self, idstr: str, instance_id: int, state: Record) -> None:
        return None

    def commit(self, idstr: str, instance_id: int, state: Record) -> None:
        return None

    def loaded(self, devices: Sequence[Device], memory: GuestMemory | None) -> None:
        return None

    def start(self) -> None:
        return None

    def abort(self) -> None:
        return None
