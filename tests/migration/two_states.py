"""Machines whose virtio-net changes between the early state and the final one, and destinations that keep a diary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from between import STREAMS, machine_of

from vnetmig.migration.device import Device
from vnetmig.migration.machine import Machine
from vnetmig.migration.machine_control import AnyIncoming, AnyOutgoing
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.virtio.section import device_of
from vnetmig.vmstate.record import Record

NET = "0000:00:02.0/virtio-net"

Edit = Callable[[Record], None]


def unchanged(record: Record) -> None:
    return None


def setting(**values: object) -> Edit:
    """Sets fields; dots and brackets of a path are written as they are: ``setting(**{"vq[0].num": 3})``."""

    def edit(record: Record) -> None:
        for path, value in values.items():
            record[path] = value  # type: ignore[assignment]

    return edit


def net_of(machine: Machine) -> Device:
    return next(machine.nets())


def bare(folder: str | Path) -> Machine:
    """The machine of a capture with its virtio-net devices alone: migrates in two milliseconds."""
    machine = machine_of(STREAMS / folder)
    return replace(machine, devices=list(machine.nets()), recordings=[], rounds=(), description=None)


def changing(
    machine: Machine, early: Edit = unchanged, final: Edit = unchanged, *, start: Record | None = None
) -> Machine:
    """``machine`` whose first virtio-net holds ``early`` of its state while the guest runs, and ``final`` of it at the
    end. The given machine stays as it is."""
    net = net_of(machine)
    base = start if start is not None else net.state
    assert isinstance(base, Record)
    states = base.copy(), base.copy()
    early(states[0])
    final(states[1])
    return with_states(machine, *states)


def with_states(machine: Machine, early: Record, final: Record) -> Machine:
    net = net_of(machine)
    other = replace(net, state=final, setup_state=early)
    return replace(machine, devices=[other if device is net else replace(device) for device in machine.devices])


class Scripted(Device):
    """A device whose state while the guest runs is what a test says at the moment, ``now``."""

    now: Record
    asked: int = 0

    def state_at_setup(self) -> Record:
        self.asked += 1
        return self.now

    def final_state(self) -> Record:
        assert isinstance(self.state, Record)
        return self.state


def scripted(machine: Machine, kind: type[Scripted] = Scripted) -> tuple[Machine, Scripted]:
    """``machine`` with a virtio-net of its own, which starts at the recorded state."""
    net = net_of(machine)
    assert isinstance(net.state, Record)
    own = kind(net.idstr, net.instance_id, net.version_id, net.section_id, net.state.copy(), net.described_by)
    own.now = net.state.copy()
    return replace(machine, devices=[own if device is net else device for device in machine.devices]), own


@dataclass
class Watched(AnyIncoming):
    """Writes down what a destination does to its machine. ``has``: the devices that there are, None for any."""

    has: frozenset[tuple[str, int]] | None = None
    did: list[str] = field(default_factory=list)
    prepared: list[Record] = field(default_factory=list)
    committed: list[Record] = field(default_factory=list)

    def knows(self, idstr: str, instance_id: int) -> bool:
        return self.has is None or (idstr, instance_id) in self.has

    def prepare(self, idstr: str, instance_id: int, state: Record) -> None:
        self.did.append("prepare")
        self.prepared.append(state)

    def commit(self, idstr: str, instance_id: int, state: Record) -> None:
        if device_of(idstr) == "virtio-net":
            self.did.append("commit")
            self.committed.append(state)

    def loaded(self, devices: Sequence[Device], memory: GuestMemory | None) -> None:
        self.did.append("loaded")

    def start(self) -> None:
        self.did.append("start")

    def abort(self) -> None:
        self.did.append("abort")

    @property
    def untouched(self) -> bool:
        """Nothing runs here, nothing was left behind."""
        return "abort" in self.did and "start" not in self.did


@dataclass
class Guest(AnyOutgoing):
    """The machine at the source: does the guest run?"""

    runs: bool = True
    did: list[str] = field(default_factory=list)

    def stop(self) -> None:
        self.did.append("stop")
        self.runs = False

    def resume(self) -> None:
        self.did.append("resume")
        self.runs = True

    def release(self) -> None:
        self.did.append("release")
