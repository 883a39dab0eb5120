"""The RFC's first save and load when something goes wrong: vhost (F8), errors of inner saves and loads (F10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from between import STREAMS, machine_of, migrated, pour, refusal, sent_by
from splice import END_DATA, INIT_STATE, START, changed, joined, pieces, the
from two_states import NET, Guest, Watched, bare, changing, net_of, setting

from vnetmig.errors import EncodeError, MigrationError
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.handlers import SaveFile
from vnetmig.migration.machine import Machine
from vnetmig.migration.net_handlers import NetHandlers
from vnetmig.migration.source import Source, State

FOLDER = STREAMS / "rfc-user-1q"


def state() -> bytes:
    return net_of(machine_of(FOLDER)).save_at_setup()


def with_start(payload: bytes) -> bytes:
    """An iterative migration whose START section holds something else."""
    found = pieces(sent_by(Source(machine_of(FOLDER), "iterative")))
    start = the(found, START, "/virtio-net-iterative")
    return joined(changed(found, start, start.with_payload(payload)))


# F8: vhost, and cleaning up.


class Counting(NetHandlers):
    """The hooks, and how often each pair of them was called."""

    calls: list[str]

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        Counting.calls.append("save_setup")
        return super().save_setup(file, opaque)

    def save_cleanup(self, opaque: Any) -> None:
        Counting.calls.append("save_cleanup")
        super().save_cleanup(opaque)
        assert opaque.migration is None

    def load_setup(self, opaque: Any) -> int:
        Counting.calls.append("load_setup")
        return super().load_setup(opaque)

    def load_cleanup(self, opaque: Any) -> int:
        Counting.calls.append("load_cleanup")
        return super().load_cleanup(opaque)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    Counting.calls = []
    monkeypatch.setattr("vnetmig.migration.modes.iterative.NetHandlers", Counting)
    monkeypatch.setattr("vnetmig.migration.incoming_devices.NetHandlers", Counting)
    return Counting.calls


def with_vhost(machine: Machine) -> Machine:
    return replace(machine, devices=[replace(device, vhost_started=True) for device in machine.devices])


class StopsVhost(Guest):
    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def stop(self) -> None:
        super().stop()
        for device in self._machine.devices:
            device.vhost_started = False

    def resume(self) -> None:
        super().resume()
        for device in self._machine.devices:
            device.vhost_started = True


@pytest.mark.parametrize("mode", ["iterative", "iterative-delta", "early", "preheat-all"])
def test_f08_vhost_may_run_at_the_first_save_and_not_at_the_last(mode: str) -> None:
    machine = with_vhost(bare("rfc-user-1q"))
    guest = Guest()
    source = Source(machine, mode, outgoing=guest)
    sent: list[bytes] = []
    with pytest.raises(MigrationError, match=r"Assertion `!n->vhost_started' failed"):
        pour(source, sent.append)
    assert any(b"/virtio-net-" in data and len(data) > 1000 for data in sent)  # the early state is out
    assert (source.state, source.owner, guest.runs) == (State.FAILED, "source", True)
    stopping = Source(machine, mode, outgoing=StopsVhost(machine))
    migrated(stopping)
    assert stopping.state is State.DONE


def test_f08_clean_up_after_success(calls: list[str]) -> None:
    migrated(Source(machine_of(FOLDER), "iterative"))
    assert sorted(calls) == ["load_cleanup", "load_setup", "save_cleanup", "save_setup"]


def test_f08_clean_up_after_failure(calls: list[str]) -> None:
    machine = with_vhost(bare("rfc-user-1q"))
    source, destination = Source(machine, "iterative"), Destination()
    with pytest.raises(MigrationError):
        pour(source, destination.feed)
    destination.close()
    assert destination.phase is Phase.FAILED
    assert calls == ["save_setup", "load_setup", "save_cleanup", "load_cleanup"]


def test_f08_clean_up_after_cancelling_and_once_more(calls: list[str]) -> None:
    machine = machine_of(FOLDER)
    for _ in range(2):
        calls.clear()
        source, destination = Source(machine, "iterative"), Destination()
        while source.state in (State.HEADER, State.SETUP):
            destination.feed(source.next_bytes() or b"")
        source.cancel()
        destination.close()
        assert (source.state, source.owner, source.next_bytes()) == (State.CANCELLED, "source", None)
        assert "Input/output error" in str(destination.error) or "truncated" in str(destination.error)
        assert calls == ["save_setup", "load_setup", "save_cleanup", "load_cleanup"]
    again = Source(machine, "iterative")
    migrated(again)
    assert again.state is State.DONE and again.differences == ()


# F10: errors of the inner save and load go out as they are.


def test_f10_an_early_state_that_cannot_be_saved_ends_it() -> None:
    machine = changing(bare("rfc-user-1q"), setting(num_queues=2))
    guest = Guest()
    source = Source(machine, "iterative", outgoing=guest)
    with pytest.raises(EncodeError) as caught:
        sent_by(source)
    assert "vq holds 3 elements, its count field says 2" in str(caught.value) and source.error is caught.value
    assert (source.state, guest.runs) == (State.FAILED, True)


def test_f10_a_device_without_a_state_ends_it() -> None:
    machine = bare("rfc-user-1q")
    machine = replace(machine, devices=[replace(net_of(machine), state=None, setup_state=None)])
    with pytest.raises(MigrationError, match=f"'{NET}' has no state yet"):
        sent_by(Source(machine, "iterative"))


def damaged(old: bytes, new: bytes) -> bytes:
    inner = state()
    assert inner.count(old) == 1
    return inner.replace(old, new)


INNER = {
    "more queues than there can be": (
        lambda: damaged(bytes.fromhex("00000003 00000400"), bytes.fromhex("00000fff 00000400")),
        "Invalid number of virtqueues: 0xfff",
    ),
    "an unknown subsection": (
        lambda: damaged(b"virtio/virtqueues", b"virtio/virtqueueX"),
        "VM subsection 'virtio/virtqueueX' in 'virtio' does not exist",
    ),
    "a newer subsection": (
        lambda: damaged(b"virtio/virtqueues\0\0\0\1", b"virtio/virtqueues\0\0\0\2"),
        "virtio/virtqueues: incoming version_id 2 is too new for local version_id 1",
    ),
}


@pytest.mark.parametrize("case", INNER)
def test_f10_the_error_of_an_inner_load_is_not_hidden(case: str) -> None:
    """QEMU reads on, and says "Uknown flag 0x0" or "Read section footer failed" of an error that it has forgotten."""
    make, words = INNER[case]
    machine = Watched()
    error = refusal(with_start(INIT_STATE + make() + END_DATA), Destination(machine=machine))
    assert "Uknown flag" not in error and "footer" not in error
    assert words in error
    assert machine.untouched and "prepare" not in machine.did
