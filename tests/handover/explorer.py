"""Walks every world of a migration with the shipped Source and Destination, each once, and holds it against the laws.

Worlds and what leads from one to the next are worlds.py's, the laws and the table of ends ownership_laws.py's. Here is
also what comes after an end: every doubt is resolved, in each order, and a second migration goes out from the owner. A
doubt is resolved when the channel is closed and the other side has come to its end, or is dead: nothing may be in
flight any more that could still start it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations

from between import migrated
from ownership_laws import broken, broken_at_the_end, doubled, end_of, survives
from replayed_sides import Case, Place
from tiny_machine import Clock, WatchedDestination, WatchedSource, final_states, registry_of, tiny_machine
from worlds import FAULTS, World, Worlds

from vnetmig.migration.destination import Destination
from vnetmig.migration.destination_states import Phase
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import State


@dataclass(frozen=True, slots=True)
class Violation:
    """``path``: what happened, from the start."""

    case: str
    law: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.case}: {self.law}\n  after: " + "; ".join(self.path)


@dataclass(slots=True)
class Report:
    """``worlds``: different global states; ``ends`` counts those in which nothing more can happen, by the table's
    names; ``resolved``: doubts that were ended; ``again``: second migrations that completed."""

    case: str
    worlds: int = 0
    moves: int = 0
    places: int = 0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    resolved: int = 0
    again: int = 0
    violations: list[Violation] = field(default_factory=list)


class Explorer:
    """``source`` and ``destination`` make the sides: the shipped classes, unless a test plants a fault. ``faults`` may
    happen in one run beside one cancel; ``violations_max``: enough to stop; ``complete``: three cuts of every message
    and not one, and a second migration from every end, not one of each kind of end; ``deep``: the newest world first,
    which meets the end of a migration early and tells a violation by a longer way."""

    def __init__(
        self,
        case: Case,
        *,
        source: Callable[..., Source] = Source,
        destination: Callable[..., Destination] = Destination,
        faults: int = 1,
        violations_max: int = 1,
        complete: bool = False,
        deep: bool = False,
    ) -> None:
        self.case = case
        self.report = Report(str(case))
        self._worlds = Worlds(case, source, destination, _three_cuts if complete else _one_cut)
        self._faults = faults
        self._violations_max = violations_max
        self._complete = complete
        self._deep = deep
        self._came: dict[World, tuple[World, str] | None] = {}
        self._tried_again: dict[tuple[object, ...], str] = {}
        self._resolved: dict[tuple[int, int, bool, bool], list[str]] = {}

    def explore(self) -> Report:
        """All of it, or up to the first violations."""
        worlds = self._worlds
        first = World(0, 0, faults=self._faults)
        self._came[first] = None
        queue = deque([first])
        while queue and len(self.report.violations) < self._violations_max:
            world = queue.pop() if self._deep else queue.popleft()
            self._hold(world, broken(self.case, world, *worlds.sides(world)))
            quiet = True
            for what, following in worlds.moves(world):
                self.report.moves += 1
                quiet = quiet and what in FAULTS
                if following not in self._came:
                    self._came[following] = world, what
                    queue.append(following)
            if quiet:
                self._end(world)
        self.report.worlds = len(self._came)
        self.report.places = len(worlds.sources.places) + len(worlds.destinations.places)
        return self.report

    def _end(self, world: World) -> None:
        """Nothing more happens by itself."""
        sides = self._worlds.sides(world)
        found = list(broken_at_the_end(self.case, world, *sides))
        self._hold(world, found)
        if not found:
            self.report.ends[end_of(world, *sides)] += 1
            key = world.source, world.destination, world.source_lives, world.destination_lives
            if key not in self._resolved:
                self._resolved[key] = list(self._resolve(world))
            self._hold(world, self._resolved[key])

    def _hold(self, world: World, laws: Iterable[str]) -> None:
        for law in laws:
            self.report.violations.append(Violation(str(self.case), law, self._path(world)))

    def _path(self, world: World) -> tuple[str, ...]:
        path = []
        step = self._came[world]
        while step is not None:
            before, what = step
            path.append(what)
            step = self._came[before]
        return tuple(path[::-1])

    def _resolve(self, world: World) -> Iterator[str]:
        """End every doubt, in each order, with the truth about the other side; then there is one owner, and a second
        migration from it completes."""
        for order in permutations(self._worlds.doubts(world)):
            after = world
            for side in order:
                after = self._worlds.look(after, side)
                self.report.resolved += 1
            if self._worlds.doubts(after) == ["destination"] and self.case.fails == "start" and "source" in order:
                after = self._worlds.look(after, "destination")  # it did not start; by now the source runs
            s, d = self._worlds.sides(after)
            owners = [s.runs and after.source_lives, d.runs and after.destination_lives]
            left = self._worlds.doubts(after)
            stuck = self.case.fails == "start" and not any(owners) and left == ["destination"]
            expected = survives(end_of(world, *self._worlds.sides(world)))
            if (left and not stuck) or sum(owners) != expected - stuck:
                yield f"resolved in the order {order}, {sum(owners)} sides run the guest"
            yield from doubled(after, s, d)
            if owners[0]:
                yield from self._again("source", after.source)
            if owners[1]:
                yield from self._again("destination", after.destination)

    def _again(self, side: str, number: int) -> Iterator[str]:
        """A second migration from the side that owns the machine, with its own devices and registry; both sides of
        it are as shipped."""
        histories = self._worlds.sources if side == "source" else self._worlds.destinations
        place = histories.places[number]
        key: tuple[object, ...] = side, number
        if not self._complete:
            key = side, *_kind(place)
        if key not in self._tried_again:
            self._tried_again[key] = self._second(side, number)
            self.report.again += not self._tried_again[key]
        if self._tried_again[key]:
            yield f"the second migration from the {side}: {self._tried_again[key]}"

    def _second(self, side: str, number: int) -> str:
        if side == "source":
            live = self._worlds.sources.again(self._worlds.sources.places[number])
            machine = live.side.machine
        else:
            live = self._worlds.destinations.again(self._worlds.destinations.places[number])
            machine = tiny_machine()
            machine.devices = list(live.side.devices)
            live.clock.net = next(machine.nets())
        live.clock.cleaned_up = 0
        there, clock = WatchedDestination(), Clock()
        here = WatchedSource()
        source = Source(machine, self.case.mode, options=self.case.options, registry=live.registry, outgoing=here)
        destination = migrated(source, Destination(registry=registry_of(clock), machine=there))
        cleaned = live.clock.cleaned_up, clock.set_up, clock.cleaned_up
        if source.state is not State.DONE or destination.phase is not Phase.DONE:
            return f"{source.state.value}, {destination.phase.value}: {source.error or destination.error}"
        if here.runs or not there.runs or there.applied() != final_states() or cleaned != (1, 1, 1):
            return "it is not complete"
        return ""


def _one_cut(size: int) -> tuple[int, ...]:
    return (size // 2,)


def _three_cuts(size: int) -> tuple[int, ...]:
    return 1, size // 2, size - 1


def _kind(place: Place) -> tuple[object, ...]:
    """How a side came to its end: from which states, and by what."""
    turns: list[object] = []
    while place.before is not None and place.act is not None and place.view.over:
        turns += [place.act[0], place.before.view.owner, getattr(place.before.view, "state", None)]
        turns += [getattr(place.before.view, "phase", None)]
        place = place.before
    return tuple(turns)
