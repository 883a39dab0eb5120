"""F21: with switchover-ack the guest is not stopped before the destination says that it is prepared."""

from __future__ import annotations

import pytest
from between import in_step, pour, refusal, sent_by
from two_states import Guest, Watched, bare, scripted

from vnetmig.errors import MigrationError
from vnetmig.migration.capabilities import CapabilitySet
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.handover import ACK_PING
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES
from vnetmig.migration.options import Options
from vnetmig.migration.result import Result
from vnetmig.migration.source import Source, State
from vnetmig.stream.return_path import Pong, Shut, SwitchoverAck

ACK = Options(switchover_ack=True)
OPEN_RETURN_PATH = bytes.fromhex("08 0001 0000")
PING = bytes.fromhex("08 0002 0004") + ACK_PING.to_bytes(4, "big")

every_mode = pytest.mark.parametrize("mode", list(MODES))


def machine() -> Machine:
    return bare("rfc-user-1q")


@every_mode
def test_f21_the_guest_is_stopped_after_the_ack_and_not_before(mode: str) -> None:
    guest, watched = Guest(), Watched()
    source = Source(machine(), mode, options=ACK, outgoing=guest)
    destination = Destination(machine=watched)
    pour(source, destination.feed)
    assert source.state is State.ACK and guest.did == [] and source.waiting
    answer = destination.answer()
    assert answer == Pong(ACK_PING).encode() + SwitchoverAck().encode()
    source.answer(answer[:-1])
    assert source.next_bytes() is None and guest.did == []  # a PONG alone is no ack
    source.answer(answer[-1:])
    in_step(source, destination)
    assert source.state is State.DONE and guest.did == ["stop", "release"]
    if mode in ("iterative", "iterative-delta", "early"):
        assert watched.did[0] == "prepare"  # which was before the ack


@every_mode
def test_f21_without_the_option_nothing_of_it_is_in_the_stream(mode: str) -> None:
    source = Source(machine(), mode)
    stream = sent_by(source)
    assert PING not in stream and OPEN_RETURN_PATH not in stream[:300]


def test_f21_what_it_adds_to_the_stream() -> None:
    source = Source(machine(), options=ACK)
    stream = sent_by(source)
    assert stream.count(OPEN_RETURN_PATH) == 1 and stream.endswith(PING)


@every_mode
def test_f21_a_destination_that_never_acks_leaves_the_guest_running(mode: str) -> None:
    guest = Guest()
    source = Source(machine(), mode, options=ACK, outgoing=guest)
    sent_by(source)
    for _ in range(5):
        source.answer(Pong(ACK_PING).encode())
        assert source.next_bytes() is None
    assert (source.state, guest.did) == (State.ACK, [])
    source.cancel()
    assert (source.state, source.owner, guest.did) == (State.CANCELLED, "source", [])


@pytest.mark.parametrize(
    ("answer", "state"),
    [(b"", State.FAILED), (Shut(1).encode(), State.FAILED), (Result(error="no").encode(), State.FAILED)],
)
def test_f21_a_destination_that_goes_instead_of_acking(answer: bytes, state: State) -> None:
    guest = Guest()
    source = Source(machine(), "iterative-delta", options=ACK, outgoing=guest)
    sent_by(source)
    source.answer(answer)
    source.close()
    assert (source.state, source.owner, guest.runs) == (State.FAILED, "source", True)


def test_f21_a_ping_without_a_return_path_is_refused() -> None:
    stream = sent_by(Source(machine(), options=ACK)).replace(OPEN_RETURN_PATH, b"", 1)
    assert f"CMD_PING (0x{ACK_PING:x}) received with no return path" in refusal(stream)


def test_f21_it_needs_the_return_path() -> None:
    here = CapabilitySet()
    with pytest.raises(MigrationError, match="Capability 'switchover-ack' requires capability 'return-path'"):
        here.set({"switchover-ack": True})
    here.set({"return-path": True, "switchover-ack": True})
    assert here.on == ("return-path", "switchover-ack")


def test_f21_the_ack_comes_behind_what_is_flushed() -> None:
    """A change that the rounds did not reach is there before the destination is asked."""
    ours, net = scripted(machine())
    watched = Watched()
    source, destination = Source(ours, "iterative-delta", options=ACK), Destination(machine=watched)
    seen: list[list[object]] = []

    def meanwhile(data: bytes) -> None:
        if data == PING:
            seen.append([record["promisc"] for record in watched.prepared])

    while source.plan.finals[net.idstr, 0].sent.base is None:
        destination.feed(source.next_bytes() or b"")
    net.now = net.now.copy()
    net.now["promisc"] = 1
    net.state = net.now
    in_step(source, destination, meanwhile)
    assert source.state is State.DONE and destination.phase is Phase.DONE
    assert seen == [[0, 1]]
