"""A machine that is as small as one can be and still has all that a migration can do wrong, and who watches it.

Two network cards (so that one can be applied and the other not), RAM without pages, and a third party's staged device
that is the guest's clock: while the guest runs, the first card changes. The watchers are the hooks of
machine_control.py: what they count is what really happened to the guest, whatever the sides believe. ``Snap`` is what
a hook raises that is made to fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from between import STREAMS, machine_of

from vnetmig.errors import MigrationError
from vnetmig.migration.device import Device
from vnetmig.migration.handlers import FINISHED, MORE, LoadFile, QuietHandlers, SaveFile
from vnetmig.migration.machine import Machine
from vnetmig.migration.registry import Registry
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.ram_words import EndOfSection
from vnetmig.vmstate.record import Record

CLOCK = "acme/clock"
"""idstr of the third party's device."""

DEVICES = 2
"""Of the machine, all of which are committed before it is whole."""

Key = tuple[str, int]


class Snap(MigrationError):
    """A hook that was made to fail."""


@lru_cache(maxsize=1)
def _recorded() -> tuple[Machine, Device, Device]:
    """(machine, its network card, a second one)."""
    machine = machine_of(STREAMS / "microvm-mmio-q72")
    return machine, next(machine.nets()), next(machine_of(STREAMS / "linux-user-legacy-q72").nets())


@lru_cache(maxsize=1)
def _states() -> tuple[Record, Record, Record]:
    """The first card when the migration begins, after a while, and when the guest is stopped."""
    final = _recorded()[1].state
    assert isinstance(final, Record)
    first, later = final.copy(), final.copy()
    first["status"], later["status"] = 0, 0
    first["mac"] = bytes((0x52, 0x54, 0, 0, 0, 1))
    return first, later, final


def tiny_machine() -> Machine:
    """A new one; what it is made of is shared and never changed."""
    machine, net, second = _recorded()
    ram = machine.recordings[0]
    end = EndOfSection().encode()
    net = replace(net, setup_state=_states()[0], section_id=5)
    second = replace(second, section_id=6, setup_state=None)
    return replace(
        machine,
        devices=[net, second],
        recordings=[replace(ram, parts=(end,), end=end)],
        rounds=(frozenset({ram.header.section_id}),),
        description=None,
    )


def final_states() -> dict[Key, bytes]:
    """What the devices hold when the guest is stopped: what must run afterwards, wherever it does."""
    return {(d.idstr, d.instance_id): d.save() for d in tiny_machine().devices}


class Clock(QuietHandlers):
    """Ticks once while the guest runs: the card changes behind what was sent of it. Counts its hooks."""

    def __init__(self, net: Device | None = None) -> None:
        self.net = net
        self.set_up = self.cleaned_up = 0
        self.ticks = 0

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        self.ticks = 0
        file.put_byte(0)
        return 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        self.ticks += 1
        if self.net is not None:
            self.net.setup_state = _states()[1]
        file.put_byte(self.ticks)
        return FINISHED if self.ticks >= 2 else MORE

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        file.put_byte(0xFF)
        return 0

    def save_cleanup(self, opaque: Any) -> None:
        self.cleaned_up += 1

    def load_setup(self, opaque: Any) -> int:
        self.set_up += 1
        return 0

    def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int:
        file.get_byte()
        return 0

    def load_cleanup(self, opaque: Any) -> int:
        self.cleaned_up += 1
        return 0


def registry_of(clock: Clock) -> Registry:
    registry = Registry()
    registry.register_savevm_live(CLOCK, 0, 1, clock)
    return registry


@dataclass
class WatchedSource:
    """The guest at the source. ``fails``: the hook that raises."""

    fails: str = ""
    runs: bool = True
    calls: list[str] = field(default_factory=list)

    def stop(self) -> None:
        self._called("stop")
        self.runs = False

    def resume(self) -> None:
        self._called("resume")
        self.runs = True

    def release(self) -> None:
        self._called("release")
        self.runs = False

    def _called(self, hook: str) -> None:
        self.calls.append(hook)
        if self.fails == hook:
            raise Snap(f"{hook} fails")


@dataclass
class WatchedDestination:
    """The guest at the destination, and what was done for it. ``wrong``: hooks that came when they must not."""

    fails: str = ""
    runs: bool = False
    whole: bool = False
    """``loaded`` was called."""
    prepared: dict[Key, Record] = field(default_factory=dict)
    committed: dict[Key, Record] = field(default_factory=dict)
    starts: int = 0
    aborts: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Is anything applied?"""
        return self.whole or bool(self.prepared or self.committed)

    def applied(self) -> dict[Key, bytes]:
        return {key: state.save() for key, state in self.committed.items()}

    def knows(self, idstr: str, instance_id: int) -> bool:
        return True

    def prepare(self, idstr: str, instance_id: int, state: Record) -> None:
        self._called("prepare", early=self.whole or bool(self.aborts))
        self.prepared[idstr, instance_id] = state

    def commit(self, idstr: str, instance_id: int, state: Record) -> None:
        self.committed[idstr, instance_id] = state
        self._called("commit", early=self.whole or bool(self.aborts), at=len(self.committed) == DEVICES)

    def loaded(self, devices: Sequence[Device], memory: GuestMemory | None) -> None:
        self._called("loaded", early=len(self.committed) < DEVICES or bool(self.aborts))
        self.whole = True

    def start(self) -> None:
        self._called("start", early=not self.whole or self.runs or bool(self.aborts))
        self.runs = True
        self.starts += 1

    def abort(self) -> None:
        if self.runs:
            self.wrong.append("abort of a guest that runs")
        self.aborts += 1
        self.whole = False
        self.prepared.clear()
        self.committed.clear()

    def _called(self, hook: str, *, early: bool, at: bool = True) -> None:
        if early:
            self.wrong.append(f"{hook} out of order")
        if self.fails == hook and at:
            raise Snap(f"{hook} fails")
