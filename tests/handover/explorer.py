"""Every interleaving of a migration and its faults, with the shipped Source and Destination.

A ``World`` is where both sides are (replayed_sides.py), what is in flight, and what has gone wrong. ``moves`` gives all
that can happen next: the source does its next step; a message arrives, whole or up to one of its cuts; a channel ends
or breaks; somebody cancels; and as long as faults are left, one more of them (``FAULTS``). ``explore`` walks all of it,
each world once, and holds every world against ``laws`` and every end against the table below.

Ends with the hand-over. Rows: the source; columns: the destination. "crashed, owning": before START was sent.

|                  | runs | in doubt | nothing | crashed before it ran | crashed after |
|------------------|------|----------|---------|-----------------------|---------------|
| keeps it         | no   | yes      | yes     | yes                   | no            |
| has given it     | yes  | no       | no      | no                    | yes           |
| in doubt         | yes  | yes      | no      | yes                   | yes           |
| crashed, owning  | no   | yes      | yes     | yes                   | no            |
| crashed, given   | yes  | yes      | no      | yes                   | yes           |

So whenever one side survives, the machine is with it (it runs, or is in doubt with the complete state), but for the
machine that dies with its only owner. A destination to which START arrived runs; one to which it did not, never.

Without the hand-over, as between two stock QEMUs, the destination is never in doubt and starts at the end of the
stream, and the source is in doubt from its last byte on; a source that crashes then may take the machine with it.

|                  | runs | in doubt | nothing | crashed before it ran | crashed after |
|------------------|------|----------|---------|-----------------------|---------------|
| keeps it         | no   | no       | yes     | yes                   | no            |
| has given it     | yes  | no       | no      | no                    | yes           |
| in doubt         | yes  | no       | yes     | yes                   | yes           |
| crashed, owning  | no   | no       | yes     | yes                   | no            |
| crashed, given   | yes  | no       | yes     | yes                   | yes           |

A doubt is resolved when the channel is closed and the other side has come to its end, or is dead: nothing may be in
flight any more that could still start it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from typing import Final, NamedTuple

from between import migrated
from replayed_sides import Case, DestinationView, Histories, LiveDestination, LiveSource, Place, SourceView
from tiny_machine import Clock, WatchedDestination, WatchedSource, final_states, registry_of, tiny_machine

from vnetmig.migration.destination import Destination
from vnetmig.migration.destination_states import Phase
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import TRANSITIONS, State, Turn

END: Final = "end"
"""In flight: the other side has finished, or its kernel closed for it."""
RESET: Final = "reset"
"""In flight: the channel broke, and what was in it is lost."""

Item = tuple[bytes, int] | str
"""A message and how much of it has arrived, END or RESET."""


class World(NamedTuple):
    """``there`` is in flight to the destination, ``back`` from it. An open way takes what is sent, a closed one loses
    it; ``loses``: sides whose sending fails, which they may notice at any time."""

    source: int
    destination: int
    there: tuple[Item, ...] = ()
    back: tuple[Item, ...] = ()
    there_open: bool = True
    back_open: bool = True
    source_lives: bool = True
    destination_lives: bool = True
    faults: int = 1
    cancels: int = 1


FAULTS: Final = (
    "source crashes",
    "source crashes, channel reset",
    "destination crashes",
    "destination crashes, channel reset",
    "channel cut",
    "channel closed",
    "way there cut",
    "way back cut",
    "destination forgets",
    "both crash",
)

Ends = frozenset[tuple[str, str]]

WITH_HANDOVER: Final[Ends] = frozenset(
    (source, destination)
    for source, destinations in {
        "keeps it": ("in doubt", "nothing", "crashed before it ran"),
        "has given it": ("runs", "crashed after"),
        "in doubt": ("runs", "in doubt", "crashed before it ran", "crashed after"),
        "crashed, owning": ("in doubt", "nothing", "crashed before it ran"),
        "crashed, given": ("runs", "in doubt", "crashed before it ran", "crashed after"),
    }.items()
    for destination in destinations
)

WITHOUT: Final[Ends] = frozenset(
    (source, destination)
    for source, destinations in {
        "keeps it": ("nothing", "crashed before it ran"),
        "has given it": ("runs", "crashed after"),
        "in doubt": ("runs", "nothing", "crashed before it ran", "crashed after"),
        "crashed, owning": ("nothing", "crashed before it ran"),
        "crashed, given": ("runs", "nothing", "crashed before it ran", "crashed after"),
    }.items()
    for destination in destinations
)


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
    happen in one run beside one cancel; ``violations_max``: enough to stop; ``complete``: a second migration from every
    end, not one of each kind of end."""

    def __init__(
        self,
        case: Case,
        *,
        source: Callable[..., Source] = Source,
        destination: Callable[..., Destination] = Destination,
        faults: int = 1,
        violations_max: int = 1,
        complete: bool = False,
    ) -> None:
        self.case = case
        self.report = Report(str(case))
        self._sources = Histories(lambda: LiveSource(case, source))
        self._destinations = Histories(lambda: LiveDestination(case, destination))
        self._faults = faults
        self._violations_max = violations_max
        self._complete = complete
        self._came: dict[World, tuple[World, str] | None] = {}
        self._table = WITH_HANDOVER if case.asks else WITHOUT
        self._tried_again: dict[tuple[object, ...], str] = {}
        self._resolved: dict[tuple[int, int, bool, bool], list[str]] = {}

    def explore(self) -> Report:
        first = World(0, 0, faults=self._faults)
        self._came[first] = None
        queue = deque([first])
        while queue and len(self.report.violations) < self._violations_max:
            world = queue.popleft()
            self._hold(world, self._broken(world))
            quiet = True
            for what, following in self._moves(world):
                self.report.moves += 1
                quiet = quiet and what in FAULTS
                if following not in self._came:
                    self._came[following] = world, what
                    queue.append(following)
            if quiet:
                self._hold(world, self._ended(world))
        self.report.worlds = len(self._came)
        self.report.places = len(self._sources.places) + len(self._destinations.places)
        return self.report

    def _sides(self, world: World) -> tuple[Place, Place, SourceView, DestinationView]:
        source, destination = self._sources.places[world.source], self._destinations.places[world.destination]
        return source, destination, source.view, destination.view

    # What can happen.

    def _moves(self, world: World) -> Iterator[tuple[str, World]]:
        _, _, source, destination = self._sides(world)
        if world.source_lives:
            if not source.silent and (following := self._source_does(world, "next")) != world:
                yield "source sends", following
            if not source.over:
                if world.back:
                    yield from self._to_source(world)
                if not world.there_open:
                    yield "source cannot send", self._source_does(world, "lose")
                if world.cancels and (source.state, Turn.CANCEL) in TRANSITIONS:
                    yield "cancel", self._source_does(world._replace(cancels=0), "cancel")
        if world.destination_lives and not destination.over:
            if world.there:
                yield from self._to_destination(world)
            if not world.back_open:
                yield "destination cannot send", self._destination_does(world, "lose")
        if world.faults:
            yield from self._faulty(world._replace(faults=world.faults - 1))

    def _to_source(self, world: World) -> Iterator[tuple[str, World]]:
        item, rest = world.back[0], world.back[1:]
        if isinstance(item, str):
            yield f"source hears {item}", self._source_does(world._replace(back=rest), _HEARD[item])
            return
        for data, left in self._arrivals(item):
            following = world._replace(back=(left, *rest) if left else rest)
            yield f"{len(data)} bytes reach the source", self._source_does(following, "answer", data)

    def _to_destination(self, world: World) -> Iterator[tuple[str, World]]:
        item, rest = world.there[0], world.there[1:]
        if isinstance(item, str):
            yield f"destination hears {item}", self._destination_does(world._replace(there=rest), _HEARD[item])
            return
        for data, left in self._arrivals(item):
            following = world._replace(there=(left, *rest) if left else rest)
            yield f"{len(data)} bytes reach the destination", self._destination_does(following, "feed", data)

    def _arrivals(self, item: tuple[bytes, int]) -> Iterator[tuple[bytes, tuple[bytes, int] | None]]:
        """All the rest of a message, or what is in front of its next cut; and what is left in flight."""
        message, position = item
        size = len(message)
        yield message[position:], None
        for cut in (1, size // 2, size - 1) if self._complete else (size // 2,):
            if position < cut < size:
                yield message[position:cut], (message, cut)
                break

    def _source_does(self, world: World, name: str, data: bytes = b"") -> World:
        place = self._sources.places[world.source]
        said, after = self._sources.after(place, (name, data))
        there = world.there
        if world.there_open:
            there = (*there, (said, 0)) if said else there
            if after.view.silent and not place.view.silent:
                there = (*there, END)
        if not world.destination_lives or self._destinations.places[world.destination].view.over:
            there = ()
        return world._replace(source=after.number, there=there, back=() if after.view.over else world.back)

    def _destination_does(self, world: World, name: str, data: bytes = b"") -> World:
        place = self._destinations.places[world.destination]
        said, after = self._destinations.after(place, (name, data))
        back = world.back
        if world.back_open:
            back = (*back, (said, 0)) if said else back
            if after.view.over and not place.view.over:
                back = (*back, END)
        if not world.source_lives or self._sources.places[world.source].view.over:
            back = ()
        return world._replace(destination=after.number, back=back, there=() if after.view.over else world.there)

    def _faulty(self, world: World) -> Iterator[tuple[str, World]]:
        """One fault, in the order of FAULTS. What is in flight still arrives, or is lost."""
        _, _, source, destination = self._sides(world)
        ended_there, ended_back = (*world.there, END), (*world.back, END)
        if world.source_lives:
            dead = world._replace(source_lives=False, back=(), there_open=False, back_open=False)
            if destination.over or not world.destination_lives:
                yield FAULTS[0], dead
            else:
                yield FAULTS[0], dead._replace(there=ended_there if world.there_open else world.there)
                yield FAULTS[1], dead._replace(there=(RESET,))
        if world.destination_lives:
            dead = world._replace(destination_lives=False, there=(), there_open=False, back_open=False)
            if source.over or not world.source_lives:
                yield FAULTS[2], dead
            else:
                yield FAULTS[2], dead._replace(back=ended_back if world.back_open else world.back)
                yield FAULTS[3], dead._replace(back=(RESET,))
        if not (world.source_lives and world.destination_lives):
            return
        yield FAULTS[9], dead._replace(source_lives=False, back=())
        if not (world.there_open and world.back_open):
            return
        if not source.over or not destination.over:
            cut = world._replace(there_open=False, back_open=False)
            there = () if destination.over else (RESET,)
            back = () if source.over else (RESET,)
            yield FAULTS[4], cut._replace(there=there, back=back)
            yield FAULTS[5], cut._replace(there=ended_there if there else (), back=ended_back if back else ())
            if there:
                yield FAULTS[6], world._replace(there=there, there_open=False)
            if back:
                yield FAULTS[7], world._replace(back=back, back_open=False)
        if not destination.over and destination.heard.size:
            yield FAULTS[8], self._destination_does(world, "forget")

    # What must hold.

    def _hold(self, world: World, broken: Iterator[str]) -> None:
        for law in broken:
            self.report.violations.append(Violation(str(self.case), law, self._path(world)))

    def _path(self, world: World) -> tuple[str, ...]:
        path = []
        step = self._came[world]
        while step is not None:
            before, what = step
            path.append(what)
            step = self._came[before]
        return tuple(path[::-1])

    def _broken(self, world: World) -> Iterator[str]:
        """The laws of every world in which nobody has resolved anything."""
        yield from self._doubled(world)
        _, _, source, destination = self._sides(world)
        if destination.starts and source.owner == "source":
            yield "the guest was started there while it belonged to the source"
        if source.owner == "destination" and (not destination.starts or source.calls[-1] != "release"):
            yield "the source has given away what never ran there, or has not let it go"
        if destination.owner == "in-doubt" and not destination.same:
            yield "the destination waits for START with something else than the source had"
        delivered = source.given is not None and destination.heard.size >= source.given
        if self.case.asks and destination.starts and not delivered:
            yield "the destination started without START"
        if self.case.asks and delivered and not destination.starts and self.case.fails != "start":
            yield "START arrived, and the destination does not run"

    def _doubled(self, world: World) -> Iterator[str]:
        """The laws of every world."""
        _, _, source, destination = self._sides(world)
        if source.runs and destination.runs and world.source_lives and world.destination_lives:
            yield "both sides run the guest"
        if source.raised.count(":") or destination.raised.count(":"):
            yield f"a side fails: {source.raised or destination.raised}"
        # A side that must not run it.
        if source.runs and source.owner != "source":
            yield f"the source runs the guest, and says that the owner is '{source.owner}'"
        if destination.runs != (destination.owner == "destination"):
            yield f"the destination says that the owner is '{destination.owner}', and runs: {destination.runs}"
        if source.over and source.owner == "source" and not source.runs:
            yield "the source owns the machine and does not let it run"
        # A device that is half applied.
        if destination.wrong:
            yield f"the destination's machine: {destination.wrong[0]}"
        if destination.phase is Phase.FAILED and destination.holds:
            yield "the destination failed and still holds a state"
        if destination.runs and not destination.same:
            yield "what runs at the destination is not what the source had"
        # Hooks.
        if source.over != (source.cleaned_up == 1) or source.cleaned_up > 1:
            yield f"save_cleanup was called {source.cleaned_up} times"
        if destination.cleaned_up > destination.set_up or (
            destination.over and destination.cleaned_up != destination.set_up
        ):
            yield f"load_setup was called {destination.set_up} times, load_cleanup {destination.cleaned_up} times"

    def _ended(self, world: World) -> Iterator[str]:
        """The laws of a world in which nothing more happens by itself."""
        _, _, source, destination = self._sides(world)
        if (world.source_lives and not source.over) or (world.destination_lives and not destination.over):
            yield f"both wait for ever: source '{source.state.value}', destination '{destination.phase.value}'"
            return
        end = _source_end(world, source), _destination_end(world, destination)
        self.report.ends[end] += 1
        if end not in self._table:
            yield f"an end that must not be: the source {end[0]}, the destination {end[1]}"
        if end == ("keeps it", "in doubt") and destination.heard == source.said:
            yield "the destination was told that the source keeps the machine, and is in doubt"
        undisturbed = world.source_lives and world.destination_lives and world.there_open and world.back_open
        if undisturbed and world.cancels and not self.case.fails and end != ("has given it", "runs"):
            yield f"nothing disturbed it, and the source {end[0]}, the destination {end[1]}"
        key = world.source, world.destination, world.source_lives, world.destination_lives
        if key not in self._resolved:
            self._resolved[key] = list(self._resolve(world))
        yield from self._resolved[key]

    def _resolve(self, world: World) -> Iterator[str]:
        """End every doubt, in each order, with the truth about the other side; then there is one owner, and a second
        migration from it completes."""
        for order in permutations(self._doubts(world)):
            after = world
            for side in order:
                after = self._look(after, side)
                self.report.resolved += 1
            if self._doubts(after) == ["destination"] and self.case.fails == "start" and "source" in order:
                after = self._look(after, "destination")  # it did not start; by now the source runs
            _, _, s, d = self._sides(after)
            owners = [s.runs and after.source_lives, d.runs and after.destination_lives]
            left = self._doubts(after)
            stuck = self.case.fails == "start" and not any(owners) and left == ["destination"]
            expected = self._survivor_holds(world)
            if (left and not stuck) or sum(owners) != expected - stuck:
                yield f"resolved in the order {order}, {sum(owners)} sides run the guest"
            yield from self._doubled(after)
            if owners[0]:
                yield from self._again("source", after.source)
            if owners[1]:
                yield from self._again("destination", after.destination)

    def _doubts(self, world: World) -> list[str]:
        _, _, source, destination = self._sides(world)
        alive = (
            ("source", world.source_lives, source.owner),
            ("destination", world.destination_lives, destination.owner),
        )
        return [side for side, lives, owner in alive if lives and owner == "in-doubt"]

    def _survivor_holds(self, world: World) -> int:
        """How many sides must run it when all doubts are ended: 1, or 0 when it died with its owner."""
        source, destination = self._ended_as(world)
        return int(
            source == "keeps it"
            or destination in ("runs", "in doubt")
            or source == "in doubt"  # and there it does not run
        )

    def _ended_as(self, world: World) -> tuple[str, str]:
        _, _, source, destination = self._sides(world)
        return _source_end(world, source), _destination_end(world, destination)

    def _look(self, world: World, side: str) -> World:
        """Resolve the doubt of one side."""
        _, _, source, destination = self._sides(world)
        if side == "source":
            runs = destination.runs and world.destination_lives
            return self._source_does(world, "give" if runs else "keep")
        runs = source.runs and world.source_lives
        return self._destination_does(world, "give" if runs else "keep")

    def _again(self, side: str, number: int) -> Iterator[str]:
        """A second migration from the side that owns the machine, with its own devices and registry; both sides of
        it are as shipped."""
        histories = self._sources if side == "source" else self._destinations
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
            live = self._sources.again(self._sources.places[number])
            machine = live.side.machine
        else:
            live = self._destinations.again(self._destinations.places[number])
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


def _kind(place: Place) -> tuple[object, ...]:
    """How a side came to its end: from which states, and by what."""
    turns: list[object] = []
    while place.before is not None and place.act is not None and place.view.over:
        turns += [place.act[0], place.before.view.owner, getattr(place.before.view, "state", None)]
        turns += [getattr(place.before.view, "phase", None)]
        place = place.before
    return tuple(turns)


_HEARD: Final = {END: "close", RESET: "lose"}


def _source_end(world: World, source: SourceView) -> str:
    if not world.source_lives:
        return "crashed, owning" if source.given is None else "crashed, given"
    return {"source": "keeps it", "destination": "has given it", "in-doubt": "in doubt"}[source.owner]


def _destination_end(world: World, destination: DestinationView) -> str:
    if not world.destination_lives:
        return "crashed after" if destination.starts else "crashed before it ran"
    return {"source": "nothing", "destination": "runs", "in-doubt": "in doubt"}[destination.owner]
