"""Hooks and machines of others that raise: the guest ends on the right side, everybody is told, nobody is left out."""

from __future__ import annotations

from typing import Any

import pytest
from between import STREAMS, machine_of, migrated, sent_by

from vnetmig.errors import MigrationError
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.handlers import QuietHandlers, SaveFile
from vnetmig.migration.machine_control import AnyIncoming, AnyOutgoing
from vnetmig.migration.options import Options
from vnetmig.migration.registry import Registry
from vnetmig.migration.result import AnswerReader, Result
from vnetmig.migration.source import Source, State

FOLDER = STREAMS / "rfc-user-1q"


class Journal(AnyOutgoing):
    """A machine at the source that writes down what is done to it; ``fails`` is the hook that raises."""

    def __init__(self, fails: str = "") -> None:
        self.did: list[str] = []
        self.fails = fails

    def _note(self, hook: str) -> None:
        self.did.append(hook)
        if hook == self.fails:
            raise KeyError(hook)

    def stop(self) -> None:
        self._note("stop")

    def resume(self) -> None:
        self._note("resume")

    def release(self) -> None:
        self._note("release")


class Raising(QuietHandlers):
    """A device whose named hooks raise what no one expects of them."""

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.did: list[str] = []

    def _note(self, hook: str) -> int:
        self.did.append(hook)
        if hook in self.fails:
            raise ZeroDivisionError(hook)
        return 0

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        return self._note("save_complete")

    def save_cleanup(self, opaque: Any) -> None:
        self._note("save_cleanup")

    def load_setup(self, opaque: Any) -> int:
        return self._note("load_setup")

    def load_cleanup(self, opaque: Any) -> int:
        return self._note("load_cleanup")


def registry(*devices: Raising) -> Registry:
    made = Registry()
    for number, device in enumerate(devices):
        made.register_savevm_live(f"acme/{number}", 0, 1, device)
    return made


def error_in(answer: bytes) -> str:
    reader = AnswerReader()
    reader.feed(answer)
    reader.close()
    found = reader.next_answer()
    assert isinstance(found, Result) and found.error is not None
    return found.error


def test_a_cleanup_that_raises_keeps_no_guest_stopped_and_no_other_from_its_turn() -> None:
    journal, first, second = Journal(), Raising("save_complete", "save_cleanup"), Raising()
    source = Source(machine_of(FOLDER), registry=registry(first, second), outgoing=journal)
    with pytest.raises(MigrationError, match="ZeroDivisionError: save_complete"):
        sent_by(source)
    assert (source.state, source.owner) == (State.FAILED, "source")
    assert journal.did == ["stop", "resume"]
    assert second.did == ["save_cleanup"]
    assert "and then: ZeroDivisionError: save_cleanup" in str(source.error)


def test_a_cleanup_that_raises_after_success_does_not_change_who_owns_it() -> None:
    journal, first = Journal(), Raising("save_cleanup")
    source = Source(machine_of(FOLDER), registry=registry(first), outgoing=journal, options=Options(handover=True))
    destination = migrated(source, Destination(registry=registry(Raising())))
    assert (source.state, source.owner, destination.owner) == (State.DONE, "destination", "destination")
    assert journal.did == ["stop", "release"]
    assert "ZeroDivisionError: save_cleanup" in str(source.error)


@pytest.mark.parametrize("fails", ["stop", "resume", "release"])
def test_a_machine_that_raises_is_an_error_and_no_exception(fails: str) -> None:
    journal = Journal(fails)
    source = Source(machine_of(FOLDER), outgoing=journal, options=Options(handover=True))
    if fails == "stop":
        with pytest.raises(MigrationError, match="KeyError: 'stop'"):
            sent_by(source)
        assert journal.did == ["stop", "resume"]
    elif fails == "resume":
        sent_by(source)
        source.close()
        assert source.state is State.FAILED
    else:
        migrated(source)
        assert source.state is State.DONE
    assert f"KeyError: '{fails}'" in str(source.error)


class Refusing(AnyIncoming):
    def abort(self) -> None:
        raise OSError("no such tap")


@pytest.mark.parametrize("hook", ["load_setup", "load_cleanup"])
def test_the_source_is_told_whatever_the_destination_trips_over(hook: str) -> None:
    first, second = Raising(hook), Raising()
    destination = Destination(registry=registry(first, second), machine=Refusing())
    source = Source(machine_of(FOLDER), registry=registry(Raising(), Raising()))
    destination.feed(sent_by(source))
    destination.close()
    assert destination.phase is Phase.FAILED
    answer = destination.answer()
    assert f"ZeroDivisionError: {hook}" in error_in(answer)
    assert "and then: OSError: no such tap" in str(destination.error)
    if hook == "load_cleanup":
        assert second.did == ["load_setup", "load_cleanup"]
    source.answer(answer)
    assert source.owner == "source"


def test_a_section_id_that_is_in_use_is_no_way_around_the_checks() -> None:
    ours = Source(machine_of(FOLDER), registry=registry(Raising()))
    data = sent_by(ours)
    start = data.index(b"\x06acme/0") - 5
    foreign = data[start : start + 6] + b"acme/9" + data[start + 12 : start + 25]
    destination = Destination(registry=registry(Raising()))
    destination.feed(data[: start + 25] + foreign)
    assert "is that of 'acme/0' 0" in str(destination.error)


def test_a_newer_version_than_that_of_the_registered_handlers() -> None:
    newer = Registry()
    newer.register_savevm_live("acme/0", 0, 99, Raising())
    destination = Destination(registry=registry(Raising()))
    destination.feed(sent_by(Source(machine_of(FOLDER), registry=newer)))
    assert "savevm: unsupported version 99 for 'acme/0' v1" in str(destination.error)


def test_an_error_behind_start_does_not_bring_the_guest_back() -> None:
    """START is out: what a destination says then proves nothing about where the machine runs."""
    journal = Journal()
    source = Source(machine_of(FOLDER), outgoing=journal, options=Options(handover=True))
    destination = Destination()
    destination.feed(sent_by(source))
    source.answer(destination.answer())
    sent_by(source)
    assert source.state is State.STARTING
    source.answer(Result(error="out of order").encode())
    assert (source.state, source.owner) == (State.IN_DOUBT, "in-doubt")
    assert journal.did == ["stop"]


def test_what_was_read_before_a_fault_is_counted() -> None:
    data = sent_by(Source(machine_of(FOLDER)))
    destination = Destination()
    destination.feed(data[:1000] + b"\xff" * 8)
    destination.close()
    assert destination.result is not None and destination.result.error is not None
    assert 0 < destination.result.stream_bytes <= 1008
