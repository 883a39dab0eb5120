"""What is measured: each device's save and load, their sums, stretches of time, and QEMU's own figures.

Knows hops; tests nothing. Microseconds. The sums are of all devices: everything but the last pass over RAM, with what
iterative handlers send at the end, and with QEMU's visits to entries that have nothing to save.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from vnetmig.analysis.downtime.hop import INTERVALS, Hop
from vnetmig.analysis.downtime.query_migrate import FIGURES
from vnetmig.analysis.downtime.side import Entry, Role, Side
from vnetmig.analysis.gain import bears
from vnetmig.migration.trace import ITERABLE

Kind = Literal["device", "early", "sum", "clock", "query-migrate"]

ALL: Final = "all devices"
OTHERS: Final = "all devices but {device}"
BOTH_SIDES: Final = "load + save"
VISIT: Final = " (nothing to save)"


@dataclass(frozen=True, slots=True)
class Samples:
    """``values[i]`` is of the hop number ``hops[i]``."""

    values: array[int]
    hops: array[int]

    @classmethod
    def new(cls) -> Samples:
        return cls(array("q"), array("L"))

    def add(self, value: int, hop: int) -> None:
        self.values.append(value)
        self.hops.append(hop)


@dataclass(frozen=True, slots=True)
class Quantity:
    """``side`` is `load` or `save`, empty where it is of both; ``samples`` has every arm that has any."""

    kind: Kind
    side: str
    name: str
    samples: Mapping[str, Samples]
    entry: Entry | None = None


def quantities(hops: Sequence[Hop], device: str) -> Iterator[Quantity]:
    """Of each side: the devices in the order in which they came, then sums; then what is of both sides."""
    name_of = names(hops)
    for role in (Role.DESTINATION, Role.SOURCE):
        yield from _devices(hops, role, name_of)
        yield from _sums(hops, role, device, name_of)
    yield from _of_both(hops)


def names(hops: Sequence[Hop]) -> Callable[[Entry], str]:
    """What to call an entry: an iterative device's line among those that are not is QEMU's visit, and says so."""
    orders = {side.entries for hop in hops for side in (hop.source, hop.destination) if side is not None}
    iterating = {(entry.idstr, entry.instance_id) for order in orders for entry in order if entry.kind == ITERABLE}

    def name_of(entry: Entry) -> str:
        visited = entry.kind != ITERABLE and (entry.idstr, entry.instance_id) in iterating
        return entry.name + VISIT if visited else entry.name

    return name_of


def device_times(side: Side, name_of: Callable[[Entry], str]) -> dict[str, int]:
    """By name, without the last pass over RAM."""
    return {name_of(entry): took for entry, took in side.stopped() if not entry.is_ram}


def _devices(hops: Sequence[Hop], role: Role, name_of: Callable[[Entry], str]) -> Iterator[Quantity]:
    stopped: dict[Entry, dict[str, Samples]] = {}
    early: dict[Entry, dict[str, Samples]] = {}
    for number, hop in enumerate(hops):
        side = hop.side(role)
        if side is None:
            continue
        for place, (entry, took) in enumerate(zip(side.entries, side.took, strict=True)):
            table = early if place < side.early else stopped
            table.setdefault(entry, {}).setdefault(hop.arm, Samples.new()).add(took, number)
    for kind, table in (("early", early), ("device", stopped)):
        for entry, samples in table.items():
            yield Quantity("early" if kind == "early" else "device", role.value, name_of(entry), samples, entry)


def _sums(hops: Sequence[Hop], role: Role, device: str, name_of: Callable[[Entry], str]) -> Iterator[Quantity]:
    every: dict[str, Samples] = {}
    others: dict[str, Samples] = {}
    borne = False
    for number, hop in enumerate(hops):
        side = hop.side(role)
        if side is None:
            continue
        times = device_times(side, name_of)
        own = [took for name, took in times.items() if bears(name, device)]
        borne = borne or bool(own)
        whole = sum(times.values())
        every.setdefault(hop.arm, Samples.new()).add(whole, number)
        others.setdefault(hop.arm, Samples.new()).add(whole - sum(own), number)
    if every:
        yield Quantity("sum", role.value, ALL, every)
    if borne:
        yield Quantity("sum", role.value, OTHERS.format(device=device), others)


def _of_both(hops: Sequence[Hop]) -> Iterator[Quantity]:
    def both(hop: Hop) -> int | None:
        if hop.source is None or hop.destination is None:
            return None
        return _whole(hop.source) + _whole(hop.destination)

    yield from _one("sum", BOTH_SIDES, hops, both)
    for interval in INTERVALS:
        yield from _one("clock", interval, hops, partial(Hop.between, interval=interval))
    for figure in FIGURES:
        yield from _one("query-migrate", figure, hops, partial(_told, figure=figure))


def _whole(side: Side) -> int:
    return sum(took for entry, took in side.stopped() if not entry.is_ram)


def _told(hop: Hop, figure: str) -> int | None:
    value = hop.told.get(figure)
    return None if value is None else round(value * 1000)


def _one(kind: Kind, name: str, hops: Sequence[Hop], value_of: Callable[[Hop], int | None]) -> Iterator[Quantity]:
    samples: dict[str, Samples] = {}
    for number, hop in enumerate(hops):
        value = value_of(hop)
        if value is not None:
            samples.setdefault(hop.arm, Samples.new()).add(value, number)
    if samples:
        yield Quantity(kind, "", name, samples)
