"""Times and bytes of each device, run by run: what the tables of `vnetmig migrate` are made from.

A device is all of its sections: what a mode sends under `NAME-delta` or `NAME-early` is NAME's. Knows timelines and
which suffix belongs to which mode; knows no statistics. Nanoseconds and bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final, Literal

from vnetmig.migration import delta_handlers, preheat_handlers
from vnetmig.migration.decoders import EARLY_SUFFIX
from vnetmig.migration.timeline import DeviceTimes, Timeline
from vnetmig.report.run import Run, Runs
from vnetmig.stream.iterative import IDSTR_SUFFIX
from vnetmig.virtio.section import device_of

SUFFIXES: Final = (IDSTR_SUFFIX, delta_handlers.IDSTR_SUFFIX, EARLY_SUFFIX, preheat_handlers.SUFFIX)

NET: Final = "virtio-net"

Value = Literal["downtime", "save", "load", "bytes", "early_save", "early_load", "early_bytes"]


@dataclass(slots=True)
class Spent:
    """What one device took in one run: with the guest stopped, and ``early``, before."""

    save: int = 0
    load: int = 0
    bytes: int = 0
    early_save: int = 0
    early_load: int = 0
    early_bytes: int = 0

    @property
    def downtime(self) -> int:
        return self.save + self.load

    def add(self, section: DeviceTimes) -> None:
        if section.early:
            self.early_save += section.save_ns
            self.early_load += section.load_ns
            self.early_bytes += section.size
        else:
            self.save += section.save_ns
            self.load += section.load_ns
            self.bytes += section.size


def spent_by_device(line: Timeline) -> dict[str, Spent]:
    """By name, in stream order.

    >>> early = DeviceTimes("nic/virtio-net-delta", 0, 900, 50, 70, early=True)
    >>> final = DeviceTimes("nic/virtio-net", 0, 90, 5, 7)
    >>> spent_by_device(Timeline("iterative-delta", "c", (early, final)))["nic/virtio-net"].downtime
    12
    """
    names = {section.name for section in line.devices}
    found: dict[str, Spent] = {}
    for section in line.devices:
        found.setdefault(_device(section, names), Spent()).add(section)
    return found


def _device(section: DeviceTimes, names: Collection[str]) -> str:
    for suffix in SUFFIXES:
        bare = DeviceTimes(section.idstr.removesuffix(suffix), section.instance_id, 0, 0, 0).name
        if bare != section.name and bare in names:
            return bare
    return section.name


@dataclass(frozen=True, slots=True)
class Measured:
    """Of the runs that completed; a mode without any is left out. ``devices``: those that had a section with the guest
    stopped, the longest in the first mode first; ``early_only``: what had none (a description)."""

    modes: dict[str, list[dict[str, Spent]]]
    runs: dict[str, list[Run]]
    devices: list[str] = field(default_factory=list)
    early_only: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, runs: Runs) -> Measured:
        completed = {mode: [run for run in each if run.outcome.completed] for mode, each in runs.items()}
        completed = {mode: each for mode, each in completed.items() if each}
        found = {mode: [spent_by_device(run.outcome.timeline) for run in each] for mode, each in completed.items()}
        every = [run for each in found.values() for run in each]
        stopped = dict.fromkeys(name for run in every for name, spent in run.items() if spent.bytes)
        measured = cls(found, completed)
        first = next(iter(found), "")
        measured.devices.extend(sorted(stopped, key=lambda name: -fmean(measured.samples(first, (name,)))))
        measured.early_only.extend(dict.fromkeys(name for run in every for name in run if name not in stopped))
        return measured

    @property
    def paired(self) -> bool:
        """Has every mode the same runs, so that one of each can be compared?"""
        return len({len(each) for each in self.modes.values()}) == 1

    @property
    def first(self) -> str:
        """The mode that the others are compared with."""
        return next(iter(self.modes))

    @property
    def nets(self) -> list[str]:
        return [name for name in self.devices if device_of(name.partition("#")[0]) == NET]

    @property
    def others(self) -> list[str]:
        nets = self.nets
        return [name for name in (*self.devices, *self.early_only) if name not in nets]

    def groups(self) -> list[tuple[str, list[str] | None]]:
        """virtio-net, everything else, and all together, by what they are called; None is all."""
        parts: list[tuple[str, list[str] | None]] = []
        if self.nets and self.others:
            parts = [(NET, self.nets), ("all other devices", self.others)]
        return [*parts, ("all devices", None)]

    def samples(self, mode: str, names: Iterable[str] | None = None, value: Value = "downtime") -> list[float]:
        """One sum for each run, of the devices ``names`` (None: all)."""
        wanted = None if names is None else set(names)
        return [_sum(run, wanted, value) for run in self.modes[mode]]

    def by_device(self, mode: str) -> Sequence[dict[str, float]]:
        """Downtime by device, run by run, as analysis.gain takes it."""
        return [{name: run[name].downtime for name in self.devices if name in run} for run in self.modes[mode]]


def _sum(run: dict[str, Spent], wanted: set[str] | None, value: Value) -> float:
    return float(sum(getattr(spent, value) for name, spent in run.items() if wanted is None or name in wanted))
