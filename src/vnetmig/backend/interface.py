"""What every backend offers: to a migration, two stages of setting up; to a device, queues of frames.

Knows no kind of backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vnetmig.backend.ledger import Ledger
from vnetmig.backend.states import State
from vnetmig.backend.work import NetWork


class Queue(Protocol):
    """One queue pair. A frame is a virtio-net header of the size that was asked for, then Ethernet.

    Using a pair that is not enabled is a MigrationError: until commit the device is another host's.
    """

    def send(self, frame: bytes) -> bool:
        """From the guest to the network, without waiting; False when it was dropped."""

    def receive(self) -> bytes | None:
        """The next frame for the guest, without waiting; None when there is none."""


class Backend(Protocol):
    """Set up early, then switched on: ``prepare`` as often as a state arrives, ``commit`` with the last.

    A call that fails (MigrationError) leaves everything as it was before it; if even that cannot be done,
    all is given back and the state is ABORTED. One thread at a time; ``prepare`` may run in another one
    than the rest. ``kind`` is the name it is chosen by.
    """

    kind: str
    ledger: Ledger

    @property
    def state(self) -> State: ...

    @property
    def queues(self) -> Sequence[Queue]:
        """The pairs that are open, enabled or not."""

    def prepare(self, work: NetWork) -> None:
        """Do all of ``work`` that differs from what is done, except enabling pairs."""

    def commit(self, work: NetWork) -> None:
        """Do what differs still, then enable the pairs. The device may run after it."""

    def abort(self) -> None:
        """Undo everything. May be called again, and prepared again."""

    def close(self) -> None:
        """Give everything back for good. May be called again."""
