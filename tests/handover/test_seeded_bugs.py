"""Faults planted in the shipped state machines, each of which the explorer must find, and name the law it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from explorer import Explorer
from replayed_sides import Case

from vnetmig.errors import VnetmigError
from vnetmig.migration import destination as destination_module
from vnetmig.migration import destination_states, source_states
from vnetmig.migration.destination import Destination
from vnetmig.migration.destination_states import Phase
from vnetmig.migration.handover import Discard, NeedFull, Order, Start, Started, Verify
from vnetmig.migration.incoming_devices import IncomingDevices
from vnetmig.migration.result import Result
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import State

STOCK = Case("stock")
HANDOVER = Case("stock", handover=True)
DELTA = Case("iterative-delta")


def laws_broken(
    case: Case, source: Callable[..., Source] = Source, destination: Callable[..., Destination] = Destination
) -> str:
    report = Explorer(case, source=source, destination=destination, deep=True).explore()
    return "\n".join(violation.law for violation in report.violations)


def test_without_a_bug_nothing_is_found() -> None:
    assert laws_broken(HANDOVER) == ""


# The destination.


class AcksBeforeLoad(Destination):
    def _verify(self, order: Verify) -> None:
        self._machine_answers()
        self._turn(destination_states.Turn.VERIFIED)

    def _machine_answers(self) -> None:
        self.result = self._save_again(self._digest.hexdigest())
        self._answer += self.result.encode()

    def _start(self) -> None:
        self._load_rest()
        super()._start()


class StartsAtVerify(Destination):
    def _verify(self, order: Verify) -> None:
        super()._verify(order)
        if self.phase is Phase.HELD:
            self._machine.start()


class StartsWhenTheSourceIsGone(Destination):
    def _lose(self) -> None:
        self._start()


class SaysStartedBeforeItStarts(Destination):
    def _start(self) -> None:
        self._turn(destination_states.Turn.GO)
        self._answer += Started().encode()
        self._machine.start()


class IgnoresDiscard(Destination):
    def _heed(self, order: Order) -> None:
        if not isinstance(order, Discard):
            super()._heed(order)


class IgnoresStart(Destination):
    def _heed(self, order: Order) -> None:
        if not isinstance(order, Start):
            super()._heed(order)


class KeepsWhatItLoaded(Destination):
    def _fail(self, error: VnetmigError, turn: Any = destination_states.Turn.FAULT) -> None:
        self.error = error
        self._turn(turn)
        if self.phase is Phase.IN_DOUBT:
            return
        self._incoming.clean_up()
        self.result = Result("", self._received, error=str(error))
        self._finish(self.result.encode(), 1)


class DropsItsCopy(Destination):
    """When the source is gone, although it may be the last one that has the machine."""

    def _lose(self) -> None:
        self._fail(VnetmigError("lost"), destination_states.Turn.DISCARD)


class TellsNobodyThatItFailed(Destination):
    """And waits on."""

    def _fail(self, error: VnetmigError, turn: Any = destination_states.Turn.FAULT) -> None:
        return None


class ForgetsCleanUp(Destination):
    def _load_rest(self) -> None:
        self._incoming.complete(self._description)


@pytest.mark.parametrize(
    ("bug", "case", "law"),
    [
        (AcksBeforeLoad, HANDOVER, "waits for START with something else"),
        (StartsAtVerify, HANDOVER, "the destination started without START"),
        (StartsWhenTheSourceIsGone, HANDOVER, "the destination started without START"),
        (SaysStartedBeforeItStarts, Case("stock", handover=True, fails="start"), "owner is 'destination', and runs: F"),
        (IgnoresDiscard, HANDOVER, "was told that the source keeps the machine"),
        (IgnoresStart, HANDOVER, "START arrived, and the destination does not run"),
        (KeepsWhatItLoaded, STOCK, "failed and still holds a state"),
        (DropsItsCopy, HANDOVER, "an end that must not be"),
        (TellsNobodyThatItFailed, STOCK, "a side fails"),
        (ForgetsCleanUp, STOCK, "load_cleanup 0 times"),
    ],
)
def test_in_the_destination(bug: type[Destination], case: Case, law: str) -> None:
    assert law in laws_broken(case, destination=bug)


def test_devices_committed_and_said_to_be_whole_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = IncomingDevices._load_final

    def half(self: IncomingDevices, *arguments: Any) -> None:
        real(self, *arguments)
        self._machine.loaded(self.devices, None)

    monkeypatch.setattr(IncomingDevices, "_load_final", half)
    assert "loaded out of order" in laws_broken(STOCK)


def test_a_device_that_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = IncomingDevices._load_final

    def first_only(self: IncomingDevices, device: Any, loaded: Any, record: Any) -> None:
        if len(self.devices) == 1:
            real(self, device, loaded, record)
        else:
            device.state = record

    monkeypatch.setattr(IncomingDevices, "_load_final", first_only)
    broken = laws_broken(HANDOVER)
    assert "out of order" in broken or "it is not complete" in broken


def test_an_early_state_that_is_taken_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that the final state does not reach."""
    real = IncomingDevices._load_final

    def early(self: IncomingDevices, device: Any, loaded: Any, record: Any) -> None:
        held = self._held.get((device.idstr, device.instance_id))
        stale = record.copy()
        stale["status"] = 0
        real(self, device, loaded, stale if held is not None else record)

    monkeypatch.setattr(IncomingDevices, "_load_final", early)
    broken = laws_broken(Case("early"))
    assert "something else" in broken or "not what the source had" in broken


def test_an_early_request_that_is_taken_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug that the explorer found in the shipped machines: a NEED_FULL that crosses VERIFY."""

    def need_full(devices: tuple[tuple[str, int], ...], early: bool = False) -> NeedFull:
        return NeedFull(devices)

    monkeypatch.setattr(destination_module, "NeedFull", need_full)
    assert "nothing disturbed it" in laws_broken(DELTA)


# The source.


class _Proxy:
    """An outgoing machine of which one hook is never called."""

    def __init__(self, machine: Any, skipped: str) -> None:
        self._machine = machine
        self._skipped = skipped

    def __getattr__(self, hook: str) -> Any:
        return (lambda: None) if hook == self._skipped else getattr(self._machine, hook)


def skipping(hook: str) -> Callable[..., Source]:
    def make(*arguments: Any, outgoing: Any, **keywords: Any) -> Source:
        return Source(*arguments, outgoing=_Proxy(outgoing, hook), **keywords)

    return make


class GivesBeforeItAsks(Source):
    def _ask(self) -> Any:
        asked = super()._ask()
        assert asked is not None
        return asked[0] + Start().encode(), asked[1]


class CleansUpTwice(Source):
    def _settle(self, before: State) -> None:
        super()._settle(before)
        for entry in self._registry:
            if entry.handlers is not None:
                entry.handlers.save_cleanup(entry.opaque)


@pytest.mark.parametrize(
    ("bug", "case", "law"),
    [
        (skipping("stop"), HANDOVER, "the source runs the guest, and says"),
        (skipping("resume"), STOCK, "owns the machine and does not let it run"),
        (skipping("release"), STOCK, "has not let it go"),
        (GivesBeforeItAsks, HANDOVER, "it belonged to the source"),
        (CleansUpTwice, STOCK, "save_cleanup was called 2 times"),
    ],
)
def test_in_the_source(bug: Callable[..., Source], case: Case, law: str) -> None:
    assert law in laws_broken(case, source=bug)


@pytest.mark.parametrize(
    ("state", "turn", "following", "case", "law"),
    [
        # It resumes when it cannot know: the double start.
        (State.STARTING, source_states.Turn.LOST, State.FAILED, HANDOVER, "belonged to the source"),
        (State.CONFIRM, source_states.Turn.LOST, State.FAILED, STOCK, "belonged to the source"),
        (State.STARTING, source_states.Turn.CANCEL, State.CANCELLED, HANDOVER, "belonged to the source"),
        (State.CONFIRM, source_states.Turn.CANCEL, State.CANCELLED, STOCK, "belonged to the source"),
        # It lets go when it cannot know.
        (State.STARTING, source_states.Turn.LOST, State.DONE, HANDOVER, "given away what never ran"),
        (State.VERIFY, source_states.Turn.LOST, State.IN_DOUBT, HANDOVER, "an end that must not be"),
        # A doubt without a way out.
        (State.IN_DOUBT, source_states.Turn.KEEP, State.IN_DOUBT, HANDOVER, "resolved in the order"),
    ],
)
def test_in_the_sources_table(
    monkeypatch: pytest.MonkeyPatch, state: State, turn: source_states.Turn, following: State, case: Case, law: str
) -> None:
    monkeypatch.setitem(source_states.TRANSITIONS, (state, turn), following)
    assert law in laws_broken(case)


@pytest.mark.parametrize(
    ("turn", "following", "law"),
    [
        (destination_states.Turn.LOST, Phase.FAILED, "failed and still holds a state"),
        (destination_states.Turn.LOST, Phase.DONE, "owner is 'destination', and runs: False"),
        (destination_states.Turn.DISCARD, Phase.IN_DOUBT, "was told that the source keeps the machine"),
    ],
)
def test_in_the_destinations_table(
    monkeypatch: pytest.MonkeyPatch, turn: destination_states.Turn, following: Phase, law: str
) -> None:
    monkeypatch.setitem(destination_states.TRANSITIONS, (Phase.HELD, turn), following)
    assert law in laws_broken(HANDOVER)
