"""How long each part of a migration took, and statistics over several of them.

Every time here is vnetmig's own: what its source needed to save a device and its destination to load it. None of them
is a time of QEMU's, which also maps memory, starts backends and waits for disks. Knows numbers and names only.
Nanoseconds throughout, of the monotonic clock; checkpoints of both sides compare only when both ran on one host.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NOTE: Final = "times of vnetmig's own source and destination, not of QEMU"


@dataclass(frozen=True, slots=True)
class DeviceTimes:
    """One section. ``early``: it went while the guest was still running, and is no part of the downtime."""

    idstr: str
    instance_id: int
    size: int
    save_ns: int
    load_ns: int
    early: bool = False

    @property
    def name(self) -> str:
        return f"{self.idstr}#{self.instance_id}" if self.instance_id else self.idstr


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the migration; those of the source follow each other without a gap."""

    name: str
    nanoseconds: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """One migration. ``checkpoints``: (QEMU's name, when), in the order in which they were passed."""

    mode: str
    engine: str
    devices: tuple[DeviceTimes, ...] = ()
    phases: tuple[Phase, ...] = ()
    checkpoints: tuple[tuple[str, int], ...] = ()
    stream_bytes: int = 0
    note: str = NOTE

    @property
    def stopped(self) -> tuple[DeviceTimes, ...]:
        """The sections that count for the downtime."""
        return tuple(device for device in self.devices if not device.early)

    @property
    def early(self) -> tuple[DeviceTimes, ...]:
        return tuple(device for device in self.devices if device.early)

    @property
    def downtime_ns(self) -> int | None:
        """From the guest's stop at the source to its start at the destination; None when one of them is missing."""
        when = dict(self.checkpoints)
        start, end = when.get("src-downtime-start"), when.get("dst-precopy-bh-vm-started")
        return end - start if start is not None and end is not None else None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of ``n`` samples. ``variance`` is the sample variance (n - 1), ``sigma`` its root; None when n is 1."""

    n: int
    mean: float
    variance: float | None
    sigma: float | None
    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Statistics:
        several = len(samples) > 1
        return cls(
            len(samples),
            statistics.fmean(samples),
            statistics.variance(samples) if several else None,
            statistics.stdev(samples) if several else None,
            statistics.median(samples),
            min(samples),
            max(samples),
        )
