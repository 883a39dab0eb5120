"""Every history that one side of a migration can have, as a tree of what can be seen of it.

A side is deterministic (its clock stands still), so it is known by what was done to it. ``Histories.after`` does one
more thing to it and gives what it then looks like; a live object goes along the path that is walked, and a branch is
made by doing everything again from the start. Two histories that consumed the same bytes, gave the same bytes and look
the same in everything that is watched are one place: how a message was cut must not matter, and when an answer came
matters only by what it changed. Knows Source and Destination and the watched machines; knows nothing of channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tiny_machine import Clock, WatchedDestination, WatchedSource, final_states, registry_of, tiny_machine

from vnetmig.errors import ChannelError, VnetmigError
from vnetmig.migration.destination import Destination
from vnetmig.migration.destination_states import FINAL as DESTINATION_FINAL
from vnetmig.migration.destination_states import Phase
from vnetmig.migration.options import Options
from vnetmig.migration.result import Result
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import FINAL as SOURCE_FINAL
from vnetmig.migration.source_states import State

REFUSAL: Final = Result("", 0, error="it fails").encode()
"""What a destination that fails says here: the text, which tells where, decides nothing."""

Act = tuple[str, bytes]
"""What is done to a side: a name of its ``acts``, and the bytes that it takes."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is explored. ``fails``: the hook that raises, "stop" at the source, all others at the destination."""

    mode: str
    handover: bool = False
    switchover_ack: bool = False
    used_queues: str | None = None
    fails: str = ""

    @property
    def asks(self) -> bool:
        """Does the destination wait for START?"""
        return self.handover or self.mode in ("iterative-delta", "early")

    @property
    def options(self) -> Options:
        return Options(self.used_queues, self.switchover_ack, self.handover)

    def __str__(self) -> str:
        flags = [self.mode, "hand-over" if self.asks else "", "ack" if self.switchover_ack else ""]
        return " ".join(filter(None, [*flags, self.used_queues, f"({self.fails} fails)" if self.fails else ""]))


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes that went one way: how many, and which."""

    size: int
    digest: bytes


class Wire:
    """Counts what passes."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=12)
        self._size = 0

    def passes(self, data: bytes) -> None:
        self._size += len(data)
        self._digest.update(data)

    def passed(self) -> Passed:
        return Passed(self._size, self._digest.digest())


@dataclass(frozen=True, slots=True)
class SourceView:
    """``given``: how many bytes had been sent when the machine was given away, the giving ones included."""

    state: State
    owner: str
    runs: bool
    calls: tuple[str, ...]
    cleaned_up: int
    silent: bool
    said: Passed
    heard: Passed
    given: int | None
    raised: str
    over: bool


@dataclass(frozen=True, slots=True)
class DestinationView:
    phase: Phase
    owner: str
    runs: bool
    starts: int
    aborts: int
    holds: bool
    whole: bool
    same: bool
    """What is applied is the source's final state, of every device."""
    wrong: tuple[str, ...]
    set_up: int
    cleaned_up: int
    said: Passed
    heard: Passed
    forgot: int
    """Bytes that had been heard when it lost what it held early; -1: it did not."""
    raised: str
    over: bool


class LiveSource:
    """The shipped source with its machine, watched."""

    def __init__(self, case: Case, make: Callable[..., Source]) -> None:
        machine = tiny_machine()
        self.case = case
        self.clock = Clock(next(machine.nets()))
        self.guest = WatchedSource(case.fails)
        self.registry = registry_of(self.clock)
        self.side = make(
            machine, case.mode, options=case.options, registry=self.registry, outgoing=self.guest, clock=lambda: 0
        )
        self.acts: dict[str, Callable[[bytes], bytes | None]] = {
            "next": lambda _: self.side.next_bytes(),
            "answer": self._answer,
            "close": lambda _: self.side.close(),
            "lose": lambda _: self.side.lose(ChannelError("reset")),
            "cancel": lambda _: self.side.cancel(),
            "keep": lambda _: self.side.resolve(runs_there=False),
            "give": lambda _: self.side.resolve(runs_there=True),
        }
        self._said, self._heard = Wire(), Wire()
        self._given: int | None = None
        self._raised = ""

    def _answer(self, data: bytes) -> None:
        self._heard.passes(data)
        self.side.answer(data)

    def do(self, act: Act) -> bytes:
        name, data = act
        said = b""
        try:
            said = self.acts[name](data) or b""
        except VnetmigError as error:
            self._raised = type(error).__name__
        except Exception as error:
            self._raised = f"{name}: {error!r}"
        self._said.passes(said)
        if self._given is None and self.side.state in (State.CONFIRM, State.STARTING):
            self._given = self._said.passed().size
        return said

    def view(self) -> SourceView:
        side, guest = self.side, self.guest
        return SourceView(
            side.state,
            side.owner,
            guest.runs,
            tuple(guest.calls),
            self.clock.cleaned_up,
            side.finished_sending,
            self._said.passed(),
            self._heard.passed(),
            self._given,
            self._raised,
            side.state in SOURCE_FINAL,
        )


class LiveDestination:
    """The shipped destination with its machine, watched."""

    def __init__(self, case: Case, make: Callable[..., Destination]) -> None:
        self.clock = Clock()
        self.guest = WatchedDestination(case.fails)
        self.registry = registry_of(self.clock)
        self.side = make(registry=self.registry, machine=self.guest, clock=lambda: 0)
        self.acts: dict[str, Callable[[bytes], None]] = {
            "feed": self._feed,
            "close": lambda _: self.side.close(),
            "lose": lambda _: self.side.lose(ChannelError("reset")),
            "forget": self._forget,
            "keep": lambda _: self.side.resolve(runs_there=False),
            "give": lambda _: self.side.resolve(runs_there=True),
        }
        self._said, self._heard = Wire(), Wire()
        self._forgot = -1
        self._raised = ""
        self._final = final_states()

    def _feed(self, data: bytes) -> None:
        self._heard.passes(data)
        self.side.feed(data)

    def _forget(self, _: bytes) -> None:
        """What came early is not here any more: deltas have nothing to build on."""
        self._forgot = self._heard.passed().size
        for held in self.side._incoming._held.values():
            held.data = None

    def do(self, act: Act) -> bytes:
        name, data = act
        try:
            self.acts[name](data)
        except VnetmigError as error:
            self._raised = type(error).__name__
        except Exception as error:
            self._raised = f"{name}: {error!r}"
        said = self.side.answer()
        if self.side.phase is Phase.FAILED and self.side.result is not None:
            said = said.replace(self.side.result.encode(), REFUSAL)
        self._said.passes(said)
        return said

    def view(self) -> DestinationView:
        side, guest = self.side, self.guest
        return DestinationView(
            side.phase,
            side.owner,
            guest.runs,
            guest.starts,
            guest.aborts,
            guest.holds,
            guest.whole,
            guest.whole and guest.applied() == self._final,
            tuple(guest.wrong),
            self.clock.set_up,
            self.clock.cleaned_up,
            self._said.passed(),
            self._heard.passed(),
            self._forgot,
            self._raised,
            side.phase in DESTINATION_FINAL,
        )


class Place:
    """One point of a side's histories. ``number`` names it."""

    __slots__ = ("act", "before", "following", "live", "number", "view")

    def __init__(self, number: int, before: Place | None, act: Act | None, view: Any, live: Any) -> None:
        self.number = number
        self.before = before
        self.act = act
        self.view = view
        self.live = live
        self.following: dict[Act, tuple[bytes, Place]] = {}

    def acts(self) -> list[Act]:
        """All that was done to get here."""
        acts, place = [], self
        while place.before is not None and place.act is not None:
            acts.append(place.act)
            place = place.before
        return acts[::-1]


class Histories:
    """``make`` makes the side anew."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        live = make()
        self.start = Place(0, None, None, live.view(), live)
        self.places = [self.start]
        self._alike: dict[Any, Place] = {self.start.view: self.start}

    def after(self, place: Place, act: Act) -> tuple[bytes, Place]:
        """(what the side says, where it then is)."""
        known = place.following.get(act)
        if known is not None:
            return known
        live = self.again(place)
        said = live.do(act)
        view = live.view()
        found = self._alike.get(view)
        if found is None:
            found = Place(len(self.places), place, act, view, None)
            self.places.append(found)
            self._alike[view] = found
        if not view.over:
            found.live = found.live or live
        place.following[act] = said, found
        return said, found

    def again(self, place: Place) -> Any:
        """A live side at this place, for one act: the one that came here, or a new one that does it all again."""
        live, place.live = place.live, None
        if live is None:
            live = self._make()
            for act in place.acts():
                live.do(act)
        return live
