"""The sending side alone: order, states, hooks, owners."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from between import STREAMS, machine_of, migrated, sent_by

from vnetmig.errors import MigrationError
from vnetmig.migration.destination import Destination
from vnetmig.migration.handlers import FINISHED, MORE, LoadFile, QuietHandlers, SaveFile, SaveVMHandlers
from vnetmig.migration.handover import NeedFull
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import Options
from vnetmig.migration.registry import Registry
from vnetmig.migration.result import Result
from vnetmig.migration.source import FINAL, OWNERS, TRANSITIONS, Source, State, Turn
from vnetmig.stream.return_path import Shut

FOLDER = STREAMS / "linux-user-1q-ping-q52"


class Counter(QuietHandlers):
    """A third party's device: a number that is sent in three rounds, then a farewell."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.loaded: list[int] = []
        self.fail = ""

    def _did(self, hook: str) -> int:
        self.calls.append(hook)
        return -22 if hook == self.fail else 0

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        file.put_be32(7)
        return self._did("save_setup")

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        file.put_be32(self.calls.count("save_live_iterate"))
        failed = self._did("save_live_iterate")
        return failed or (FINISHED if self.calls.count("save_live_iterate") == 3 else MORE)

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        file.put_be32(99)
        return self._did("save_complete")

    def save_cleanup(self, opaque: Any) -> None:
        self._did("save_cleanup")

    def load_setup(self, opaque: Any) -> int:
        return self._did("load_setup")

    def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int:
        self.loaded.append(file.get_be32())
        return self._did("load_state")

    def load_cleanup(self, opaque: Any) -> int:
        return self._did("load_cleanup")


def registered(handlers: SaveVMHandlers) -> Registry:
    registry = Registry()
    registry.register_savevm_live("acme/counter", 0, 3, handlers)
    return registry


def test_every_state_is_reached_and_left_by_the_table() -> None:
    reached = set(TRANSITIONS.values())
    assert reached == set(State) - {State.HEADER}
    assert {state for state, _ in TRANSITIONS} == set(State) - FINAL | {State.IN_DOUBT}
    assert {turn for _, turn in TRANSITIONS} == set(Turn)


def test_never_two_owners() -> None:
    """Before START, or without the hand-over the last byte, is out the destination cannot run; behind it the source
    must not, unless it is told so."""
    handed = {State.CONFIRM, State.STARTING, State.DONE, State.IN_DOUBT}
    for state in State:
        assert (OWNERS.get(state, "source") == "source") == (state not in handed)
    assert TRANSITIONS[State.CONFIRM, Turn.LOST] is State.IN_DOUBT
    assert TRANSITIONS[State.STARTING, Turn.LOST] is State.IN_DOUBT
    assert all((state, Turn.CANCEL) not in TRANSITIONS for state in handed)


def test_a_third_partys_device_goes_along() -> None:
    ours, theirs = Counter(), Counter()
    source = Source(machine_of(FOLDER), "stock", registry=registered(ours))
    destination = migrated(source, Destination(registry=registered(theirs)))
    assert source.error is None
    assert ours.calls == ["save_setup", *["save_live_iterate"] * 3, "save_complete", "save_cleanup"]
    assert theirs.calls == ["load_setup", *["load_state"] * 5, "load_cleanup"]
    assert theirs.loaded == [7, 0, 1, 2, 99]
    assert destination.error is None


@pytest.mark.parametrize("hook", ["save_setup", "save_live_iterate", "save_complete"])
def test_a_hook_that_fails_ends_it_and_the_source_goes_on(hook: str) -> None:
    handlers = Counter()
    handlers.fail = hook
    source = Source(machine_of(FOLDER), registry=registered(handlers))
    with pytest.raises(
        MigrationError, match=r"failed to save SaveStateEntry with id\(name\): \d+\(acme/counter\): -22"
    ):
        sent_by(source)
    assert (source.state, source.owner) == (State.FAILED, "source")
    assert handlers.calls[-1] == "save_cleanup"
    assert source.next_bytes() is None


@pytest.mark.parametrize("hook", ["load_setup", "load_state"])
def test_a_load_hook_that_fails_ends_it(hook: str) -> None:
    theirs = Counter()
    theirs.fail = hook
    source = Source(machine_of(FOLDER), registry=registered(Counter()))
    destination = migrated(source, Destination(registry=registered(theirs)))
    assert "error while loading state for instance 0x0 of device 'acme/counter'" in str(destination.error)
    assert (source.state, source.owner) == (State.FAILED, "source")
    assert "acme/counter" in str(source.error)
    assert theirs.calls[-1] == "load_cleanup"


def test_handlers_that_are_not_active_are_not_there() -> None:
    class Inactive(Counter):
        def is_active(self, opaque: Any) -> bool:
            return False

    theirs = Inactive()
    destination = migrated(
        Source(machine_of(FOLDER), registry=registered(Counter())), Destination(registry=registered(theirs))
    )
    assert "Unknown savevm section or instance 'acme/counter' 0" in str(destination.error)
    assert not theirs.loaded


def test_cancel_until_the_hand_over() -> None:
    handlers = Counter()
    source = Source(machine_of(FOLDER), "iterative", registry=registered(handlers))
    for _ in range(3):
        source.next_bytes()
    source.cancel()
    assert (source.state, source.owner, source.next_bytes()) == (State.CANCELLED, "source", None)
    assert handlers.calls[-1] == "save_cleanup"
    again = Source(machine_of(FOLDER), "iterative")
    migrated(again)
    assert again.state is State.DONE
    late = Source(machine_of(FOLDER))
    sent_by(late)
    with pytest.raises(MigrationError, match="cannot cancel"):
        late.cancel()


def test_no_answer_leaves_it_in_doubt() -> None:
    source = Source(machine_of(FOLDER))
    sent_by(source)
    source.close()
    assert (source.state, source.owner) == (State.IN_DOUBT, "in-doubt")
    assert "without a result" in str(source.error)


def test_a_broken_answer_leaves_it_in_doubt() -> None:
    source = Source(machine_of(FOLDER))
    sent_by(source)
    source.answer(b"VNMR" + bytes(100))
    assert (source.state, source.owner) == (State.IN_DOUBT, "in-doubt")


@pytest.mark.parametrize("handover", [False, True])
def test_nonsense_in_doubt_is_no_refusal(handover: bool) -> None:
    """It does not say that the destination does not run, so the source must not."""
    source = Source(machine_of(FOLDER), options=Options(handover=handover))
    destination = Destination()
    destination.feed(sent_by(source))
    source.answer(destination.answer())
    sent_by(source)
    assert source.state is (State.STARTING if handover else State.CONFIRM)
    source.answer(NeedFull((("acme/anvil", 0),)).encode())
    assert (source.state, source.owner) == (State.IN_DOUBT, "in-doubt")
    assert "asks for 'acme/anvil', which is no device here" in str(source.error)


def test_the_destinations_failure_comes_before_the_hand_over() -> None:
    source = Source(machine_of(FOLDER))
    source.next_bytes()
    source.answer(Result(error="no memory").encode())
    assert (source.state, source.owner) == (State.FAILED, "source")
    assert "the destination refused: no memory" in str(source.error)


def test_a_result_that_comes_too_early_does_not_end_it() -> None:
    source = Source(machine_of(FOLDER))
    source.next_bytes()
    source.answer(Result().encode())
    assert source.state is State.SETUP


@pytest.mark.parametrize(("value", "state"), [(0, State.DONE), (1, State.FAILED)])
def test_a_qemu_answers_with_shut_only(value: int, state: State) -> None:
    source = Source(machine_of(FOLDER))
    sent_by(source)
    source.answer(Shut(value).encode())
    source.close()
    assert source.state is state


def test_nothing_to_resolve() -> None:
    source = Source(machine_of(FOLDER))
    with pytest.raises(MigrationError, match="nothing to resolve: the migration is in state 'header'"):
        source.resolve(runs_there=True)
    assert (source.state, source.owner) == (State.HEADER, "source")


def test_a_shut_before_all_is_sent_ends_it() -> None:
    source = Source(machine_of(FOLDER), "iterative")
    for _ in range(3):
        source.next_bytes()
    source.answer(Shut(0).encode())
    source.close()
    assert (source.state, source.owner) == (State.FAILED, "source")
    assert "shut the return path" in str(source.error)


def test_nonsense_behind_the_end_changes_nothing() -> None:
    source = Source(machine_of(FOLDER))
    migrated(source)
    source.answer(b"\xff" * 8)
    assert (source.state, source.error) == (State.DONE, None)


def test_a_machine_without_configuration_announces_nothing() -> None:
    source = Source(replace(machine_of(FOLDER), configuration=None), "iterative")
    with pytest.raises(MigrationError, match="without a configuration section cannot announce virtio-iterative"):
        sent_by(source)


def test_trace_lines_in_qemus_order() -> None:
    source = Source(machine_of(STREAMS / "rfc-user-1q"), "iterative")
    destination = migrated(source)
    lines = [str(line) for line in source.trace]
    assert lines[:2] == [
        "vmstate_downtime_checkpoint src-downtime-start",
        "vmstate_downtime_checkpoint src-vm-stopped",
    ]
    assert [line.rpartition("=")[0] for line in lines[2:4]] == [
        "vmstate_downtime_save type=iterable idstr=ram instance_id=0 downtime",
        "vmstate_downtime_save type=iterable idstr=0000:00:02.0/virtio-net-iterative instance_id=0 downtime",
    ]
    assert lines[4] == "vmstate_downtime_checkpoint src-iterable-saved"
    assert [line.split()[2] for line in lines[5:8]] == ["idstr=timer", "idstr=slirp", "idstr=ram"]
    assert lines[-2:] == [
        "vmstate_downtime_checkpoint src-non-iterable-saved",
        "vmstate_downtime_checkpoint src-downtime-end",
    ]
    theirs = [str(line) for line in destination.trace]
    assert theirs[0].startswith("vmstate_downtime_load type=iterable idstr=ram instance_id=0 downtime=")
    assert [line.split()[-1] for line in theirs[-4:]] == [
        "dst-precopy-loadvm-completed",
        "dst-precopy-bh-enter",
        "dst-precopy-bh-announced",
        "dst-precopy-bh-vm-started",
    ]
    assert source.result is not None and list(source.result.trace) == theirs


def test_a_return_path_is_answered() -> None:
    machine = Machine.from_bytes(sent_by(Source(machine_of(STREAMS / "proxy-postcopy-fw-q111"))))
    source = Source(machine)
    destination = Destination()
    while (data := source.next_bytes()) is not None:
        destination.feed(data)
    assert destination.answer().hex() == "0002000400000001"
    destination.close()
    assert destination.answer().endswith(Shut(0).encode())
