"""The machine of a destination process: which backends it has, and the guest that goes on in it.

Knows how it is watched and ended; loading is the migration layer's.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final

from vnetmig.backend.choose import backend_named
from vnetmig.backend.interface import Backend
from vnetmig.cli.outgoing import describe
from vnetmig.migration.destination import Destination
from vnetmig.migration.incoming_machine import BackedMachine, GuestMachine
from vnetmig.model.concurrent import RunningGuest
from vnetmig.model.guest.layout import GuestState
from vnetmig.report.afterwards import Afterwards, BackendThere, GuestThere

STEPS_AFTER: Final = 300
"""Steps of a guest after the migration: it has looked at everything that was on its way."""


class Incoming:
    """``with Incoming(kind, guest=...) as there:`` gives ``there.machine`` to a destination; it is closed at the end.

    ``kind`` is that of the backends, ``guest``: there is one in the RAM that comes.
    """

    def __init__(self, kind: str, *, guest: bool) -> None:
        self.machine = (GuestMachine if guest else BackedMachine)(self._backend)
        self.shortfall: str | None = None
        """Why a backend is not of the kind that was asked for."""
        self._kind = kind

    def _backend(self, idstr: str) -> Backend:
        chosen = backend_named(self._kind)
        if chosen.shortfall is not None:
            self.shortfall = chosen.shortfall
        return chosen.backend

    def go_on(self, destination: Destination, steps: int = STEPS_AFTER) -> Afterwards:
        """If the machine is here now, let its guest make ``steps``; then say what became of everything."""
        return Afterwards(
            self._guest(steps) if destination.owner == "destination" else None,
            tuple(BackendThere.of(*key, backend, self.shortfall) for key, backend in self.machine.backends.items()),
        )

    def _guest(self, steps: int) -> GuestThere | None:
        guest = self.machine.guest if isinstance(self.machine, GuestMachine) else None
        if guest is None:
            return None
        failure = None
        try:
            guest.wait_for(steps)
            guest.stop()
        except Exception as error:
            failure = describe(error)
        return GuestThere(guest.steps, _lost(guest), failure, guest.guest.counters())

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.machine.close()


def _lost(guest: RunningGuest) -> int | None:
    """Packets that were sent, are not on their way and did not come; None after a reset, which drops some."""
    state = GuestState.load(guest.guest.ram)
    return None if state.reloads else state.sent - state.received - state.filtered - state.inflight
