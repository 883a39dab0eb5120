"""F15: a device that changes while its guest runs is sent again, until it is quiet, and never more than is bounded."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import Any

import pytest
from between import in_step
from splice import PART, START, Piece, pieces
from two_states import NET, Scripted, Watched, bare, scripted

from vnetmig.migration.delta_handlers import DeltaHandlers, DeltaMigration
from vnetmig.migration.destination import Destination
from vnetmig.migration.handlers import FINISHED, MORE, QuietHandlers, SaveFile
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import RESENDS_MAX, Options
from vnetmig.migration.registry import Registry
from vnetmig.migration.run import outcome_of
from vnetmig.migration.source import Source, State
from vnetmig.migration.tentative_state import SentState
from vnetmig.stream.framing import HANDOVER_MAGIC
from vnetmig.stream.tentative import NO_STATE, Frame
from vnetmig.vmstate.record import Record

KEY = (NET, 0)
NOTHING = Frame(NO_STATE).encode()


def change(net: Scripted) -> None:
    """One VLAN more or less."""
    net.now = net.now.copy()
    net.now["vlans[5]"] = net.now["vlans[5]"] ^ 1  # type: ignore[operator]


def handlers_at_work() -> tuple[Scripted, DeltaMigration]:
    """Behind the START section."""
    _, net = scripted(bare("rfc-user-1q"))
    opaque = DeltaMigration(SentState(net), RESENDS_MAX)
    assert DeltaHandlers().save_setup(SaveFile(), opaque) == 0
    return net, opaque


def part(opaque: DeltaMigration) -> tuple[int, bytes]:
    file = SaveFile()
    return DeltaHandlers().save_live_iterate(file, opaque), file.contents()


def delta_parts(stream: bytes) -> list[Piece]:
    end = stream.find(HANDOVER_MAGIC)
    return [piece for piece in pieces(stream[:end]) if piece.of(PART, "-delta")]


# Until it is quiet.


def test_f15_zero_while_there_may_be_more_and_one_when_it_is_quiet() -> None:
    net, opaque = handlers_at_work()
    assert part(opaque) == (FINISHED, NOTHING)
    for _ in range(3):
        change(net)
        returned, payload = part(opaque)
        assert returned == MORE and len(payload) < 100
    assert part(opaque) == (FINISHED, NOTHING)


def test_f15_packets_alone_are_no_change() -> None:
    """Ring indices move all the time: what they are at the end is early enough."""
    net, opaque = handlers_at_work()
    net.now["vq[0].last_avail_idx"] = 999
    net.now["isr"] = 3
    assert part(opaque) == (FINISHED, NOTHING)
    assert DeltaHandlers().state_pending_exact(opaque) == 0


def test_f15_pending_bytes_are_those_that_are_sent() -> None:
    net, opaque = handlers_at_work()
    handlers = DeltaHandlers()
    assert handlers.state_pending_estimate(opaque) == handlers.state_pending_exact(opaque) == 0
    for _ in range(3):
        change(net)
        pending = handlers.state_pending_exact(opaque)
        assert handlers.state_pending_estimate(opaque) == pending == len(part(opaque)[1])
    assert handlers.state_pending_exact(opaque) == 0


def test_f15_a_change_reaches_the_destination_before_the_guest_stops() -> None:
    machine, net = scripted(bare("rfc-user-1q"))
    watched = Watched()
    source, destination = Source(machine, "iterative-delta"), Destination(machine=watched)
    seen: list[State] = []

    def meanwhile(data: bytes) -> None:
        if source.plan.finals[KEY].sent.base is not None and not seen:
            change(net)
            net.state = net.now
            seen.append(source.state)

    in_step(source, destination, meanwhile)
    assert source.state is State.DONE and source.differences == ()
    assert [record["vlans[5]"] for record in watched.prepared] == [0, 1]
    (final,) = outcome_of(source).finals
    assert (final.resends, final.form, final.changed) == (1, "DELTA", ())


# Bounded.


class Restless(Scripted):
    """Every look at it finds something else than the look before."""

    def state_at_setup(self) -> Record:
        self.now = super().state_at_setup().copy()
        self.stir(self.now)
        return self.now

    def stir(self, record: Record) -> None:
        record["vlans[5]"] = self.asked


class BackAndForth(Restless):
    """A change that is there when it is asked for, and gone when it should be sent."""

    def stir(self, record: Record) -> None:
        record["vlans[5]"] = self.asked % 2


class AllOver(Restless):
    """Changes sixteen of its 46 KB."""

    def stir(self, record: Record) -> None:
        offset, _ = record.place("virtqueues.vq[0].avail")
        record.data[offset : offset + 1024 * 16] = random.Random(self.asked).randbytes(1024 * 16)


@pytest.mark.parametrize("resends", [0, 1, RESENDS_MAX])
@pytest.mark.parametrize("kind", [Restless, BackAndForth, AllOver])
def test_f15_a_guest_that_never_rests_cannot_hold_the_migration_up(kind: type[Restless], resends: int) -> None:
    machine, net = scripted(bare("rfc-user-1q"), kind)
    watched = Watched()
    source = Source(machine, "iterative-delta", options=Options(resends=resends))
    sent: list[bytes] = []
    in_step(source, Destination(machine=watched), sent.append)
    assert source.state is State.DONE and source.differences == ()
    stream = b"".join(sent)
    brought = [piece for piece in delta_parts(stream) if piece.payload != NOTHING]
    (start,) = (piece for piece in pieces(stream[: stream.find(HANDOVER_MAGIC)]) if piece.of(START, "-delta"))
    assert len(brought) <= resends
    assert sum(len(piece.payload) for piece in brought) <= len(start.payload)
    assert len(delta_parts(stream)) <= resends + 2
    assert net.asked <= 4 * (resends + 2)
    assert watched.committed[0].save() == net.save()


def test_f15_there_is_a_limit_by_default() -> None:
    assert 0 < Options().resends == RESENDS_MAX <= 16


# Not starved.


class Ram(QuietHandlers):
    """RAM as it is in a busy guest: every PART is more than a round may send."""

    def __init__(self, rounds: int, part: int) -> None:
        self.left = rounds
        self.part = part

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        file.put_buffer(bytes(self.part))
        self.left -= 1
        return MORE if self.left else FINISHED

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        file.put_byte(0)
        return 0

    def state_pending_estimate(self, opaque: Any) -> int:
        return max(0, self.left) * self.part


class Running(Machine):
    """A machine whose guest is stopped when little enough is pending."""

    def threshold(self, options: Options) -> int:
        return options.threshold


def test_f15_what_must_be_there_is_sent_though_every_round_is_used_up() -> None:
    """qemu: migration/savevm.c:qemu_savevm_state_iterate asks its limiter before every handler, RAM first: the hooks of
    a device behind it are never reached while the guest is busy."""
    recorded, net = scripted(bare("rfc-user-1q"))
    machine = Running(**{field.name: getattr(recorded, field.name) for field in fields(recorded)})
    ram, registry, there = Ram(20, 1 << 20), Registry(), Registry()
    registry.register_savevm_live("acme/ram", 0, 1, ram, priority=10)
    there.register_savevm_live("acme/ram", 0, 1, Ram(0, 0))
    options = Options(bandwidth=5_000_000, downtime_limit=400)
    watched = Watched()
    source = Source(machine, "iterative-delta", options=options, registry=registry)
    states: list[State] = []
    sent: list[bytes] = []

    def meanwhile(data: bytes) -> None:
        if len(data) > 1 << 20 and ram.left == 15:
            change(net)
            net.state = net.now
        sent.append(data)
        states.append(source.state)

    in_step(source, Destination(machine=watched, registry=there), meanwhile)
    assert source.state is State.DONE and source.differences == ()
    assert ram.left > 0  # the guest was stopped before all of its RAM was through
    own = [state for data, state in zip(sent, states, strict=True) if data[0] == PART and len(data) < 1 << 20]
    assert own == [State.FLUSH]
    assert [record["vlans[5]"] for record in watched.prepared] == [0, 1]
    assert states.index(State.FLUSH) < states.index(State.COMPLETE_ITERABLE)
