"""Guests: they live in guest memory alone, and go on elsewhere as if nothing had been."""

from __future__ import annotations

import pytest
from running import KINDS, made, moved, steps

from vnetmig.model import properties as p
from vnetmig.model.guest import PROFILES, Guest, GuestFailure
from vnetmig.model.guest.frames import Packet
from vnetmig.model.guest.layout import RAM_MIN, GuestState
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.model.net_values import S_FEATURES_OK
from vnetmig.model.wire import EchoWire, SilentWire

EACH = pytest.mark.parametrize("kind", KINDS)


def content(guest: Guest) -> dict[int, bytes]:
    return dict(guest.ram.pages())


@EACH
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("queue_pairs", [1, 4])
def test_a_guest_is_content_with_its_device(kind: str, profile: str, queue_pairs: int) -> None:
    guest, device = made(kind, profile=profile, queue_pairs=queue_pairs, seed=queue_pairs)
    steps(guest, 1500)
    counters = guest.counters()
    assert counters["steps"] == 1500 and device.fault is None
    assert counters["received"] > (20 if profile == "quiet" else 100)
    assert (counters["commands"] > 400) is (profile in ("configurer", "hostile"))
    assert (counters["reloads"] > 0) is (profile in ("configurer", "hostile"))
    assert isinstance(device.wire, EchoWire) and device.wire.dropped == 0


@EACH
def test_the_same_seed_is_the_same_guest(kind: str) -> None:
    one, two, other = (made(kind, profile="configurer", seed=seed)[0] for seed in (7, 7, 8))
    for guest in (one, two, other):
        steps(guest, 400)
    assert content(one) == content(two) != content(other)


@EACH
def test_a_guest_is_nowhere_but_in_its_memory(kind: str) -> None:
    guest, device = made(kind, profile="configurer", seed=3)
    again, beside = made(kind, profile="configurer", seed=3)
    for _ in range(400):
        guest.step()
        Guest.attach(again.ram, beside).step()
    assert content(guest) == content(again)
    assert vars(guest) == {"ram": guest.ram, "device": device}


@EACH
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(3))
def test_a_move_changes_nothing(kind: str, profile: str, seed: int) -> None:
    """A guest that is moved every 37 steps, and one whose device only pauses then: the same memory, the same device."""
    stays, device = made(kind, profile=profile, seed=seed)
    moves, other = made(kind, profile=profile, seed=seed)
    for _ in range(20):
        steps(stays, 37)
        device.pause()
        device.resume()
        steps(moves, 37)
        moves, other = moved(moves, other)
    assert moves.counters() == stays.counters()
    assert content(moves) == content(stays)
    assert other.save().save() == device.save().save()


@EACH
def test_doorbells_rung_at_a_paused_device_are_heard_at_the_other_side(kind: str) -> None:
    guest, device = made(kind, seed=2)
    steps(guest, 100)
    device.pause()
    while not any(queue.tx_waiting for queue in device.values.queues):
        guest.step()
    received = guest.counters()["received"]
    moves, other = moved(guest, device)
    assert not any(queue.tx_waiting for queue in other.values.queues)
    steps(moves, 200)
    assert moves.counters()["received"] > received


@EACH
def test_a_wire_belongs_to_the_device_that_runs(kind: str) -> None:
    """Loaded, a device leaves the wire to the one it was made from, which may have to go on after all."""
    guest, device = made(kind, seed=2)
    steps(guest, 100)
    device.pause()
    other = NetModel.from_record(
        device.save(), GuestRam.from_pages(RAM_MIN, content(guest)), device.wire, device.properties
    )
    device.resume()
    steps(guest, 200)
    device.pause()
    there = Guest.attach(other.ram, other)
    other.resume()
    steps(there, 200)
    assert there.counters()["received"] > 100


@EACH
def test_packets_may_be_lost_while_the_link_is_down(kind: str) -> None:
    guest, device = made(kind, seed=6)
    steps(guest, 50)
    device.pause()
    while GuestState.load(guest.ram).inflight == 0:
        guest.step()
    device.values.net_status &= ~1  # as if it had gone down before the doorbell was served
    device._config_interrupt()
    device.resume()
    steps(guest, 50)
    assert guest.counters()["link_events"] == 1
    sent = guest.counters()["sent"]
    steps(guest, 50)
    assert guest.counters()["sent"] == sent, "a guest does not send on a link that is down"
    device.set_link(True)
    steps(guest, 200)
    counters = guest.counters()
    assert counters["sent"] > sent and counters["link_events"] == 2


@EACH
def test_a_guest_announces_itself_when_asked(kind: str) -> None:
    guest, device = made(kind, profile="configurer", seed=1)
    steps(guest, 5)
    assert device.announce()
    moves, other = moved(guest, device)
    steps(moves, 100)
    assert moves.counters()["announced"] == 1
    assert other.values.net_status == 1


def test_a_packet_that_does_not_come_back_is_missed() -> None:
    ram = GuestRam(RAM_MIN)
    guest = Guest.boot(ram, NetModel.new(ram, SilentWire()))
    with pytest.raises(GuestFailure, match=r"packet 0 of pair \d, flow \d is lost"):
        steps(guest, 100)


class Meddler(EchoWire):
    """Sends each frame back changed by ``change``."""

    def transmit(self, pair: int, frame: bytes) -> None:
        for altered in self.change(frame):
            self._receive(altered[6:12] + altered[:6] + altered[12:], pair)

    def change(self, frame: bytes) -> list[bytes]:
        return [frame]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: [f, f], "came twice"),
        (lambda f: [f[:-1] + bytes([f[-1] ^ 1])], "came back altered"),
        (lambda f: [f[:60] + bytes([f[60] ^ 0x10]) + f[61:]], "came back altered|that nobody sent"),
        (lambda f: [f[:-1]], "that nobody sent"),
        (lambda f: [f[:40]], "a frame of 40 bytes came that nobody sent"),
        (lambda f: [Packet(7, 1, True, 0, 9, f[6:12]).frame()], "packet 0 of pair 7, flow 1 came, which nobody sent"),
        (lambda f: [Packet(0, 1, True, 999, 9, f[6:12]).frame()], "packet 999 of pair 0, flow 1 came before it was"),
        (lambda f: [f[:6] + b"\x02" * 6 + f[12:]], "came back altered"),
        (lambda f: [], "is lost"),
    ],
)
def test_a_network_that_meddles_is_found_out(change: object, message: str) -> None:
    ram = GuestRam(RAM_MIN)
    wire = Meddler()
    wire.change = change  # type: ignore[assignment, method-assign]
    guest = Guest.boot(ram, NetModel.new(ram, wire))
    with pytest.raises(GuestFailure, match=message):
        steps(guest, 200)


class WrongPair(EchoWire):
    def __init__(self, device: NetModel) -> None:
        super().__init__()
        self.device = device
        self.attach(device.receive)

    def transmit(self, pair: int, frame: bytes) -> None:
        super().transmit((pair + 1) % self.device.values.curr_queue_pairs, frame)


@EACH
def test_a_packet_on_another_pair_is_found_out(kind: str) -> None:
    guest, device = made(kind)
    steps(guest, 10)
    device.wire = WrongPair(device)
    with pytest.raises(GuestFailure, match=r"came on pair \d instead of \d"):
        steps(guest, 200)


@EACH
def test_packets_lost_while_the_link_changed_may_be_followed_by_others(kind: str) -> None:
    guest, device = made(kind, seed=6)
    steps(guest, 50)
    wire = Meddler()
    wire.attach(device.receive)
    device.wire = wire
    frames = 0

    def lose_some(frame: bytes) -> list[bytes]:
        nonlocal frames
        frames += 1
        if frames % 5:
            return [frame]
        device._config_interrupt()
        return []

    wire.change = lose_some  # type: ignore[method-assign]
    steps(guest, 400)
    assert frames > 100 and guest.counters()["link_events"] > 5


@EACH
def test_a_command_waits_while_the_device_is_paused(kind: str) -> None:
    guest, device = made(kind, profile="configurer", seed=3)
    steps(guest, 50)
    device.pause()
    while not GuestState.load(guest.ram).asked:
        guest.step()
    commands = guest.counters()["commands"]
    steps(guest, 3)
    assert GuestState.load(guest.ram).asked and guest.counters()["commands"] == commands
    device.resume()
    steps(guest, 3)
    assert not GuestState.load(guest.ram).asked


class NoReset(NetModel):
    def read(self, register: str) -> int:
        return 4 if register == "device_status" else super().read(register)


class NoFeatures(NetModel):
    def read(self, register: str) -> int:
        return super().read(register) & ~(S_FEATURES_OK if register == "device_status" else 0)


class NoQueues(NetModel):
    def read(self, register: str) -> int:
        return 0 if register == "queue_size" else super().read(register)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NoReset, "the device does not come out of a reset"),
        (NoFeatures, "the device refuses the features 0x.* that it offered"),
        (NoQueues, "the device has no queue 0"),
    ],
)
def test_a_device_that_cannot_be_set_up(model: type[NetModel], message: str) -> None:
    guest, _ = made("split", model=model)
    with pytest.raises(GuestFailure, match=message):
        guest.step()


def test_a_device_that_offers_too_little() -> None:
    ram = GuestRam(RAM_MIN)
    with pytest.raises(GuestFailure, match="the device offers 0x20: a guest needs"):
        Guest.boot(ram, NetModel.new(ram, offered=p.MAC)).step()


@EACH
def test_a_device_that_does_nothing_is_not_waited_for_without_end(kind: str) -> None:
    guest, device = made(kind, seed=6)
    steps(guest, 50)
    device.pause()
    with pytest.raises(GuestFailure, match="the device does nothing any more"):
        steps(guest, 50_000)


def test_memory_without_a_guest() -> None:
    ram = GuestRam(RAM_MIN)
    device = NetModel.new(ram)
    with pytest.raises(ValueError, match="no guest"):
        Guest.attach(ram, device)
    with pytest.raises(ValueError, match="0x200000 bytes"):
        Guest.boot(GuestRam(0x1000), device)


def test_a_guest_changes_its_profile_and_keeps_it() -> None:
    guest, device = made("split", profile="quiet")
    steps(guest, 10)
    guest.profile = "hostile"
    moves, _ = moved(guest, device)
    assert moves.profile == "hostile"
    dirtied = moves.counters()["dirtied"]
    steps(moves, 10)
    assert moves.counters()["dirtied"] >= dirtied + 160
