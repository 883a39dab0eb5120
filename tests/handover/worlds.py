"""Everything that can happen to a migration: two sides, two in-order channels, and what goes wrong.

A ``World`` is where both sides are (replayed_sides.py), what is in flight, and what has gone wrong. ``Worlds.moves``
gives all that can happen next: the source does its next step; a message arrives, whole or up to one of its cuts; a
channel ends or breaks; a side finds that it cannot send; somebody cancels; and as long as faults are left, one more of
``FAULTS``. Knows no law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from replayed_sides import Case, DestinationView, Histories, LiveDestination, LiveSource, SourceView

from vnetmig.migration.destination import Destination
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import TRANSITIONS, Turn

END: Final = "end"
"""In flight: the other side has finished, or its kernel closed for it."""
RESET: Final = "reset"
"""In flight: the channel broke, and what was in it is lost."""

Item = tuple[bytes, int] | str
"""A message and how much of it has arrived, END or RESET."""


class World(NamedTuple):
    """``source`` and ``destination`` number their places. ``there`` is in flight to the destination, ``back`` from it.
    An open way takes what is sent; a closed one loses it, which the sender may notice at any time. ``faults`` and
    ``cancels`` are how many may still come."""

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

_HEARD: Final = {END: "close", RESET: "lose"}


class Worlds:
    """``cuts``: where a message may be cut, of its size."""

    def __init__(
        self,
        case: Case,
        source: Callable[..., Source],
        destination: Callable[..., Destination],
        cuts: Callable[[int], tuple[int, ...]],
    ) -> None:
        self.sources = Histories(lambda: LiveSource(case, source))
        self.destinations = Histories(lambda: LiveDestination(case, destination))
        self._cuts = cuts

    def sides(self, world: World) -> tuple[SourceView, DestinationView]:
        """What both sides look like, alive or not."""
        return self.sources.places[world.source].view, self.destinations.places[world.destination].view

    def moves(self, world: World) -> Iterator[tuple[str, World]]:
        """(what happens, the world after it)."""
        source, destination = self.sides(world)
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
        for cut in self._cuts(size):
            if position < cut < size:
                yield message[position:cut], (message, cut)
                break

    def _source_does(self, world: World, name: str, data: bytes = b"") -> World:
        place = self.sources.places[world.source]
        said, after = self.sources.after(place, (name, data))
        there = world.there
        if world.there_open:
            there = (*there, (said, 0)) if said else there
            if after.view.silent and not place.view.silent:
                there = (*there, END)
        if not world.destination_lives or self.destinations.places[world.destination].view.over:
            there = ()
        return world._replace(source=after.number, there=there, back=() if after.view.over else world.back)

    def _destination_does(self, world: World, name: str, data: bytes = b"") -> World:
        place = self.destinations.places[world.destination]
        said, after = self.destinations.after(place, (name, data))
        back = world.back
        if world.back_open:
            back = (*back, (said, 0)) if said else back
            if after.view.over and not place.view.over:
                back = (*back, END)
        if not world.source_lives or self.sources.places[world.source].view.over:
            back = ()
        return world._replace(destination=after.number, back=back, there=() if after.view.over else world.there)

    def _faulty(self, world: World) -> Iterator[tuple[str, World]]:
        """One fault, in the order of FAULTS. What is in flight still arrives, or is lost."""
        source, destination = self.sides(world)
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

    # A doubt, and what ends it.

    def doubts(self, world: World) -> list[str]:
        """Sides that live and do not know who has the machine."""
        source, destination = self.sides(world)
        alive = (
            ("source", world.source_lives, source.owner),
            ("destination", world.destination_lives, destination.owner),
        )
        return [side for side, lives, owner in alive if lives and owner == "in-doubt"]

    def look(self, world: World, side: str) -> World:
        """Resolve the doubt of one side with the truth about the other."""
        source, destination = self.sides(world)
        if side == "source":
            runs = destination.runs and world.destination_lives
            return self._source_does(world, "give" if runs else "keep")
        runs = source.runs and world.source_lives
        return self._destination_does(world, "give" if runs else "keep")
