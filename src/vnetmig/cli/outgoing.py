"""The machine of one run at the source: a recorded one as it is, or one with a guest that runs.

Knows how a guest is started, watched and ended around a migration; knows no channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from vnetmig.errors import VnetmigError
from vnetmig.migration.live_machine import LiveMachine
from vnetmig.migration.machine import Machine
from vnetmig.model.concurrent import RunningGuest
from vnetmig.model.guest import Guest
from vnetmig.model.guest.layout import RAM_MIN, GuestState
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.model.wire import EchoWire
from vnetmig.report.run import GuestHere

STEPS_BEFORE = 300
"""Steps of a guest before it is migrated: its driver is up, its queues have gone round, some commands are through."""


@dataclass(frozen=True, slots=True)
class GuestKind:
    """``profile`` is one of model/guest's; ``queue_pairs`` and ``packed`` are of its device."""

    profile: str
    queue_pairs: int = 4
    packed: bool = False


@dataclass(slots=True)
class RunningMachine:
    """``machine`` as a source stops, resumes and releases it; ``steps`` are those at the stop."""

    machine: LiveMachine
    guest: RunningGuest
    before: int = 0
    steps: int | None = None

    def stop(self) -> None:
        self.machine.stop()
        self.steps = self.guest.steps
        # The model looks up where its values stand in a record when it makes the first one of a shape. A compiled
        # device knows that: it is no cost of any mode, and stock, which saves once, would bear it alone.
        assert self.machine.net is not None
        self.machine.net.save()

    def resume(self) -> None:
        self.machine.resume()

    def release(self) -> None:
        self.machine.release()

    def here(self) -> GuestHere:
        """How the guest fared on this side; it has ended, or stands."""
        steps = self.guest.steps if self.steps is None else self.steps
        failure = self.guest.failure
        in_flight = GuestState.load(self.guest.guest.ram).inflight
        return GuestHere(self.before, steps - self.before, in_flight, None if failure is None else describe(failure))


@contextmanager
def running(base: Machine, kind: GuestKind, seed: int) -> Iterator[RunningMachine]:
    """A new guest in the place of the first virtio-net of ``base``, some steps old. It has ended when this ends."""
    ram = GuestRam(RAM_MIN)
    net = NetModel.new(ram, EchoWire(), queue_pairs=kind.queue_pairs, packed=kind.packed)
    guest = RunningGuest(Guest.boot(ram, net, seed=seed, profile=kind.profile))
    machine = RunningMachine(LiveMachine.of(base, ram, net, guest), guest)
    guest.start()
    try:
        with suppress(VnetmigError):  # a guest that fails says so itself, at every turn from here on
            guest.wait_for(STEPS_BEFORE)
        machine.before = guest.steps
        yield machine
    finally:
        with suppress(Exception):
            guest.stop()


def describe(failure: BaseException) -> str:
    """What a guest failed with, in a line: what is no VnetmigError is a fault of ours, and named."""
    return str(failure) if isinstance(failure, VnetmigError) else f"{type(failure).__name__}: {failure}"
