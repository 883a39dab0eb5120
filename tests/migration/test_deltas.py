"""F14: only what changed is sent with the guest stopped, never built on anything but what the other side holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from between import in_step, migrated, sent_by
from splice import FULL, Piece, changed, joined, pieces, the
from state_changes import CHANGES, pair
from two_states import NET, Guest, Watched, bare, changing, net_of, scripted, setting

from vnetmig.errors import StreamError
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.handover import NeedFull
from vnetmig.migration.run import Final, outcome_of
from vnetmig.migration.source import RESEND_ROUNDS_MAX, Source, State
from vnetmig.migration.tentative_state import WRONG_BASE, HeldState, SentState, Snapshot, following
from vnetmig.stream.framing import HANDOVER_MAGIC
from vnetmig.stream.tentative import DELTA, FULL_STATE, RESYNC, Frame, FrameDecoder
from vnetmig.vmstate.changes import changed_fields
from vnetmig.vmstate.delta import identity
from vnetmig.vmstate.record import Record

KEY = (NET, 0)
OTHER_MAC = setting(mac="02:00:00:00:00:01")
EMPTY_DELTA = 8 + 16 + 16 + 4
"""Flag, base, identity, length."""


def frame_in(piece: Piece) -> Frame:
    decoded = FrameDecoder().decode(
        memoryview(piece.payload), len(piece.payload).__eq__, kind=piece.kind, offset=0, final=True
    )
    assert decoded is not None and isinstance(decoded.payload, Frame)
    return decoded.payload


def last_frame(source: Source) -> Frame:
    frame = source.plan.finals[KEY].last
    assert frame is not None
    return frame


def final_of(source: Source) -> Final:
    (final,) = outcome_of(source).finals
    return final


def another(record: Record) -> Snapshot:
    """A state that the destination was never sent."""
    other = record.copy()
    OTHER_MAC(other)
    return Snapshot.of(other, None)


# What is sent.


def test_f14_an_empty_delta() -> None:
    source = Source(bare("rfc-user-1q"), "iterative-delta")
    destination = migrated(source)
    assert source.state is State.DONE
    assert last_frame(source).flag == DELTA and len(last_frame(source).encode()) == EMPTY_DELTA
    assert final_of(source).changed == () and final_of(source).form == "DELTA"
    assert destination.devices[0].save() == net_of(source.machine).save()


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "nothing"])
def test_f14_only_changed_parts(change: str) -> None:
    """A few bytes of 46 KB, and a statistic that names every field."""
    machine = pair(change)
    net = net_of(machine)
    assert isinstance(net.state, Record) and net.setup_state is not None
    source = Source(machine, "iterative-delta")
    migrated(source)
    fields = changed_fields(net.setup_state, net.state)
    assert final_of(source).changed == tuple(field.path for field in fields)
    assert last_frame(source).flag in (DELTA, FULL_STATE)
    assert len(last_frame(source).encode()) < EMPTY_DELTA + 64 + 24 * len(fields)


def test_f14_a_state_with_nothing_in_common_goes_whole() -> None:
    """Of a legacy device with 1,066 bytes, a delta can be longer than the state."""
    sent = SentState(net_of(bare("rfc-user-1q-legacy")))
    sent.hold(Snapshot.of(b"\x55" * 1066, None))
    frame = sent.delta(sent.stopped())
    assert (frame.flag, frame.base) == (FULL_STATE, b"")


# A base that the destination does not hold.


def set_up(source: Source, destination: Destination) -> None:
    """Up to the early state."""
    while source.plan.finals[KEY].sent.base is None:
        destination.feed(source.next_bytes() or b"")


def test_f14_a_wrong_base_while_the_guest_runs() -> None:
    """Asked for at once; what follows builds on nothing."""
    machine, net = scripted(bare("rfc-user-1q"))
    watched = Watched()
    source, destination = Source(machine, "iterative-delta"), Destination(machine=watched)
    set_up(source, destination)
    source.plan.finals[KEY].sent.hold(another(net.now))
    net.now = net.now.copy()
    net.now["promisc"] = 1
    answers: list[State] = []
    while source.state not in (State.DONE, State.FAILED):
        destination.feed(source.next_bytes() or b"")
        answer = destination.answer()
        if NeedFull((KEY,), early=True).encode() in answer:
            answers.append(source.state)
        source.answer(answer)
    assert source.state is State.DONE and answers == [State.ITERATE]
    assert final_of(source).form == "FULL_STATE"
    assert watched.committed[0].save() == net.save()
    assert len(watched.prepared) == 1


def test_f14_a_wrong_base_at_the_end() -> None:
    """Refused, asked for whole behind the end, and the migration completes."""
    machine, net = scripted(bare("rfc-user-1q"))
    watched = Watched()
    source, destination = Source(machine, "iterative-delta"), Destination(machine=watched)
    set_up(source, destination)
    lost = another(net.now)
    net.now = lost.state  # type: ignore[assignment]
    source.plan.finals[KEY].sent.hold(lost)
    visited: list[State] = []
    in_step(source, destination, lambda data: visited.append(source.state))
    assert (source.state, source.differences) == (State.DONE, ())
    assert visited.count(State.RESEND) == 1 and destination.phase is Phase.DONE
    assert final_of(source).form == "FULL_STATE"
    assert watched.committed[0].save() == net.save()


@pytest.mark.parametrize("mode", ["iterative-delta", "early"])
def test_f14_a_resent_state_counts_as_what_the_destination_holds(mode: str) -> None:
    machine, net = scripted(bare("rfc-user-1q"))
    net.state["promisc"] = 1  # type: ignore[index]
    source, destination = Source(machine, mode), Destination()
    set_up(source, destination)
    lost = another(net.state)  # type: ignore[arg-type]
    net.now = lost.state  # type: ignore[assignment]
    source.plan.finals[KEY].sent.hold(lost)
    in_step(source, destination)
    assert source.state is State.DONE and source.differences == ()
    assert destination.devices[0].save() == net.save()


# Destinations that lie.


def test_f14_a_destination_that_asks_forever_is_given_up() -> None:
    guest, (machine, _) = Guest(), scripted(bare("rfc-user-1q"))
    source = Source(machine, "iterative-delta", outgoing=guest)
    sent = 0
    while source.state is not State.VERIFY:
        sent += len(source.next_bytes() or b"")
    more = 0
    while source.state not in (State.FAILED, State.DONE):
        source.answer(NeedFull((KEY,) * 50).encode())
        more += len(sent_by(source))
    assert (source.state, source.owner, guest.runs) == (State.FAILED, "source", True)
    assert "asks for the same states again and again" in str(source.error)
    assert more < (RESEND_ROUNDS_MAX + 1) * sent


def test_f14_a_destination_that_asks_all_the_time_gets_no_more_than_whole_states() -> None:
    guest, (machine, net) = Guest(), scripted(bare("rfc-user-1q"))
    source = Source(machine, "iterative-delta", outgoing=guest)
    sent = b""
    for _ in range(1000):
        net.now["vlans[5]"] = net.now["vlans[5]"] ^ 1  # type: ignore[operator]
        sent += source.next_bytes() or b""
        if source.state is State.VERIFY:
            break
        source.answer(NeedFull((KEY,)).encode())
    assert source.state is State.VERIFY
    assert len(sent) < 4 * len(net.save())
    source.answer(NeedFull((("no such device", 0),)).encode())
    assert "asks for 'no such device', which is no device here" in str(source.error)
    assert (source.state, guest.runs) == (State.FAILED, True)


def test_f14_a_destination_that_holds_something_else_does_not_get_the_machine() -> None:
    """The comparison before START: nothing but equal states is given away."""
    guest = Guest()
    source = Source(changing(bare("rfc-user-1q"), OTHER_MAC), "iterative-delta", outgoing=guest)
    destination = Destination()
    while source.state is not State.VERIFY:
        destination.feed(source.next_bytes() or b"")
    assert destination.result is not None
    first, *rest = destination.result.sections
    lie = replace(destination.result, sections=(*rest, replace(first, data=b"x" + first.data[1:])))
    source.answer(lie.encode())
    assert (source.state, source.owner, guest.runs) == (State.FAILED, "source", True)
    destination.feed(sent_by(source))
    assert destination.phase is Phase.FAILED and "the source keeps the machine" in str(destination.error)


# Frames that are not what they say.


def held(record: Record) -> HeldState:
    state = HeldState()
    state.hold(record.save(), record)
    return state


def delta_to(record: Record, final: Record) -> Frame:
    sent = SentState(replace(net_of(bare("rfc-user-1q")), state=final))
    sent.hold(Snapshot.of(record, None))
    return sent.delta(sent.stopped())


def two_records() -> tuple[Record, Record]:
    net = net_of(pair("MAC"))
    assert isinstance(net.state, Record) and net.setup_state is not None
    return net.setup_state, net.state


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"base": bytes(16)}, "a delta from a state that this side does not hold"),
        ({"identity": bytes(16)}, "a delta that was damaged on its way"),
        ({"data": b"\xd1"}, "a delta that was damaged on its way"),
    ],
)
def test_f14_an_identity_that_does_not_fit_asks_for_the_whole_state(wrong: dict[str, bytes], words: str) -> None:
    early, final = two_records()
    state = held(early)
    with pytest.raises(StreamError, match=words) as caught:
        state.take(replace(delta_to(early, final), **wrong), NET, None)  # type: ignore[arg-type]
    assert caught.value.code == WRONG_BASE and state.refused
    assert state.data == early.save()  # a failed frame changes nothing
    with pytest.raises(StreamError, match="does not hold"):
        state.take(delta_to(early, final), NET, None)  # nor may the next one build on it
    assert state.take(Frame(FULL_STATE, final.save()), NET, None) == final.save()


@pytest.mark.parametrize("data", [b"\xd2", b"\xd1\x64\x65", b"\xd1" + b"\xff" * 9])
def test_f14_a_delta_that_is_none(data: bytes) -> None:
    early, _ = two_records()
    base = identity(early.save())
    with pytest.raises(StreamError, match="Failed to apply a delta"):
        held(early).take(Frame(DELTA, data, base, following(base, data)), NET, None)


def test_f14_a_resync_of_another_size() -> None:
    early, _ = two_records()
    base = identity(early.save())
    for data in (b"", b"\0" * 5):
        with pytest.raises(StreamError, match="a delta of other values") as caught:
            held(early).take(Frame(RESYNC, data, base, following(base, data)), NET, None)
        assert caught.value.code == WRONG_BASE


def test_f14_a_first_frame_that_builds_on_something() -> None:
    early, final = two_records()
    with pytest.raises(StreamError, match="state none"):
        HeldState().take(delta_to(early, final), NET, None)


@pytest.mark.parametrize("at", [0, 7, 8, 23, 24, 39, 40, 43, 44, 50, -1])
@pytest.mark.parametrize("mode", ["iterative-delta", "early"])
def test_f14_a_damaged_frame_never_gives_the_machine_away(mode: str, at: int) -> None:
    guest, watched = Guest(), Watched()
    source = Source(pair("MAC" if mode == "iterative-delta" else "ring indices"), mode, outgoing=guest)
    destination = Destination(machine=watched)
    stream = b""
    while source.state is not State.VERIFY:
        stream += source.next_bytes() or b""
    end = stream.rindex(HANDOVER_MAGIC)
    found = pieces(stream[:end])
    final = the(found, FULL, "/virtio-net")
    damaged = bytearray(final.payload)
    damaged[at] ^= 0x10
    destination.feed(joined(changed(found, final, final.with_payload(bytes(damaged)))) + stream[end:])
    for _ in range(10):
        source.answer(destination.answer())
        destination.feed(sent_by(source))
    destination.close()
    source.close()
    assert destination.phase is Phase.FAILED and watched.untouched
    assert (source.owner, guest.runs) == ("source", True)


def test_f14_frames_on_the_wire() -> None:
    """The final section holds a frame and nothing else, and so does the early one."""
    found = pieces(sent_by_with_answers())
    final = frame_in(the(found, FULL, "/virtio-net"))
    start = frame_in(next(piece for piece in found if piece.idstr.endswith("-delta")))
    assert start.flag == FULL_STATE and final.flag == DELTA
    assert final.base == identity(start.data) and final.identity == following(final.base, final.data)


def sent_by_with_answers() -> bytes:
    source, sent = Source(pair("MAC"), "iterative-delta"), b""
    while source.state not in (State.ASK, State.VERIFY):
        sent += source.next_bytes() or b""
    return sent
