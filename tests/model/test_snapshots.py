"""Records taken while the guest runs on: none is torn, each loads, and none stops the guest."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest
from running import KINDS, made, moved

from vnetmig.errors import VnetmigError
from vnetmig.model import control
from vnetmig.model.concurrent import RunningGuest
from vnetmig.model.guest import Guest, GuestFailure
from vnetmig.model.guest.layout import RAM_MIN
from vnetmig.model.guest_ram import GuestRam
from vnetmig.model.net_model import NetModel
from vnetmig.model.net_values import NetValues
from vnetmig.model.record_load import load_values
from vnetmig.model.wire import EchoWire, SilentWire
from vnetmig.vmstate import Record

SNAPSHOTS = 2000


def tags_of_the_mac_table(record: Record) -> set[str]:
    macs = record["mac_table.macs"]
    assert isinstance(macs, tuple)
    return {str(mac)[6:14] for mac in macs}


def is_torn(record: Record) -> str | None:
    """What two commands of the guest are mixed in; the parts of one command follow from its tag (guest.commands)."""
    macs = [str(mac) for mac in record["mac_table.macs"]]  # type: ignore[union-attr]
    if len(tags_of_the_mac_table(record)) > 1:
        return f"MAC table {macs}"
    numbers = [int(mac[-2:], 16) for mac in macs]
    border = sum(mac.startswith("02") for mac in macs)
    if numbers != [*range(border), *range(len(macs) - border)]:
        return f"MAC table {macs}"
    if "rss.key" in record and record["rss.redirect"]:
        key, table = record["rss.key"], record["rss.indirections_table"]
        assert isinstance(key, bytes) and isinstance(table, tuple)
        pairs = record["curr_queue_pairs"]
        assert isinstance(pairs, int)
        if len(set(key[:20])) > 1 or table != tuple((key[0] + i) % pairs for i in range(len(table))):
            return f"RSS key {key[0]}, {pairs} pairs, table {table[:8]}"
    low, whole = record["guest_features_low"], record["64bit_features.guest_features"]
    if whole & 0xFFFFFFFF != low:  # type: ignore[operator]
        return f"features {low:#x}, {whole:#x}"
    return None


def back(new: int, old: int, modulus: int) -> bool:
    return (new - old) % modulus > modulus // 2


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads take turns as often as they can, and in the middle of an RSS command in any case."""
    set_pairs = control._set_pairs

    def slowly(values: NetValues, pairs: int) -> bool:
        time.sleep(0.0002)
        return set_pairs(values, pairs)

    monkeypatch.setattr(control, "_set_pairs", slowly)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("kind", KINDS)
def test_f13_no_snapshot_is_torn(kind: str, often: None) -> None:
    guest, device = made(kind, profile="hostile", seed=5)
    seen: set[str] = set()
    shapes: set[int] = set()
    number = 0
    with RunningGuest(guest) as running:
        while number < SNAPSHOTS or len(seen) < 20 or len(shapes) < 10:
            number += 1
            record = device.save()
            assert is_torn(record) is None, f"snapshot {number}: {is_torn(record)}"
            seen |= tags_of_the_mac_table(record)
            payload = record.save()
            shapes.add(len(payload))
            if number % 10 == 0:
                loaded = record.program.load(payload)
                assert loaded.error is None and loaded.record.data == record.data
                values, _ = load_values(loaded.record, EmptyMemory(), device.properties)
                assert values.guest_features == (values.guest_features & device.properties.offered)
            running.check()
            time.sleep(0)
    assert device.fault is None


def test_f13_a_device_that_is_saved_without_its_lock_is_seen_torn(often: None) -> None:
    guest, device = made("split", profile="hostile", seed=5)

    def unlocked() -> str | None:
        try:
            return is_torn(device._saver.save(device.values))
        except Exception as error:  # not even the numbers of things agreed
            return repr(error)

    with RunningGuest(guest) as running:
        while unlocked() is None:
            running.check()
            time.sleep(0)


class EmptyMemory:
    """Nothing is known of guest memory: what an early load has."""

    def read(self, gpa: int, length: int) -> bytes | None:
        return None


def test_indices_only_go_forward() -> None:
    """Of split rings: those of a packed ring come round too soon to tell forward from back."""
    guest, device = made("split", profile="busy", seed=2)
    with RunningGuest(guest) as running:
        running.wait_for(10)
        before = device.save()
        moves = 0
        while moves < 300:
            running.wait_for(1)
            after = device.save()
            for index in range(9):
                path = f"vq[{index}].last_avail_idx"
                old, new = before[path], after[path]
                assert isinstance(old, int) and isinstance(new, int)
                assert not back(new, old, 1 << 16), f"{path} was {old} and is {new}"
                moves += new != old
            before = after


def test_a_packed_ring_holds_nothing_between_two_steps() -> None:
    guest, device = made("packed", profile="busy", seed=2)
    with RunningGuest(guest) as running:
        for _ in range(100):
            running.wait_for(1)
            record = device.save()
            for index in range(9):
                state = f"packed_virtqueues.vq[{index}]"
                num, last = record[f"vq[{index}].num"], record[f"{state}.last_avail_idx"]
                assert isinstance(num, int) and isinstance(last, int)
                assert record[f"{state}.inuse"] == 0 and last < max(num, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_running_guest_moves_and_runs_on(kind: str) -> None:
    """Pages while it runs, what is dirty while it stands, the device last."""
    guest, device = made(kind, profile="hostile", seed=8)
    for _ in range(5):
        ram = guest.ram
        running = RunningGuest(guest).start()
        running.wait_for(100)
        ram.take_dirty()
        pages = dict(ram.pages())
        for _ in range(3):
            for gpa in ram.take_dirty():
                pages[gpa] = ram.page(gpa)
            device.save()
            running.wait_for(20)
        running.pause()
        device.pause()
        for gpa in ram.take_dirty():
            pages[gpa] = ram.page(gpa)
        record = device.save()
        assert pages == dict(ram.pages())
        other = GuestRam.from_pages(ram.size, pages)
        device = NetModel.from_record(record, other, EchoWire(), device.properties)
        running.stop()
        device.resume()
        guest = Guest.attach(other, device)
    with RunningGuest(guest) as last:
        last.wait_for(300)
    assert guest.counters()["steps"] >= 5 * 160


def test_a_migration_that_is_given_up_leaves_the_guest_running() -> None:
    guest, device = made("packed", seed=8)
    running = RunningGuest(guest).start()
    running.wait_for(50)
    running.pause()
    device.pause()
    stands = running.steps
    moved_guest, _ = moved(guest, device)
    assert running.steps == stands
    device.resume()
    running.resume()
    running.wait_for(100)
    running.stop()
    assert moved_guest.counters()["steps"] == stands < guest.counters()["steps"]


def test_what_a_guest_fails_with_is_handed_on() -> None:
    ram = GuestRam(RAM_MIN)
    running = RunningGuest(Guest.boot(ram, NetModel.new(ram, SilentWire()))).start()
    with pytest.raises(GuestFailure, match="lost"):
        running.wait_for(100_000)
    for call in (running.pause, running.resume, running.stop, running.check):
        with pytest.raises(GuestFailure):
            call()


def test_a_guest_that_was_stopped_is_not_waited_for() -> None:
    guest, _ = made("split")
    running = RunningGuest(guest).start()
    running.stop()
    with pytest.raises(VnetmigError, match=r"the guest ended \d+ steps too early"):
        running.wait_for(100_000)


def test_what_goes_wrong_beside_a_guest_ends_it_and_is_not_hidden() -> None:
    ram = GuestRam(RAM_MIN)
    running = RunningGuest(Guest.boot(ram, NetModel.new(ram, SilentWire())))

    def go_wrong() -> None:
        with running:
            while running.failure is None:
                time.sleep(0.001)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        go_wrong()
    with pytest.raises(GuestFailure):
        running.check()
