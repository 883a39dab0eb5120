"""Rings of both kinds, device against driver: order, wrap-around, suppression, chains."""

from __future__ import annotations

import struct

import pytest
from ring_pair import DATA, pair

from vnetmig.model.queue import need_event

KINDS = pytest.mark.parametrize("kind", ["split", "packed"])
EVENT_IDX = pytest.mark.parametrize("event_idx", [False, True])


@KINDS
@EVENT_IDX
@pytest.mark.parametrize("num", [16, 256])
def test_indices_wrap(kind: str, num: int, event_idx: bool) -> None:
    """Past 2^16 buffers, one to three at a time; each comes back once, in order, with its length."""
    both = pair(kind, num, event_idx=event_idx)
    done = 0
    for number in range(33_500):
        slots = []
        for extra in range(1 + number % 3):
            slot = both.driver.free_slot(number)
            assert slot is not None
            both.driver.add(slot, [(DATA + 64 * slot, 32 + extra, True)])
            slots.append(slot)
        both.driver.wants_doorbell()
        chains = []
        while (chain := both.ring.pop()) is not None:
            chains.append((chain, chain.writable[0][1]))
        assert len(chains) == len(slots)
        both.ring.push(chains)
        both.ring.should_notify()
        assert [both.driver.used() for _ in slots] == [(slot, 32 + extra) for extra, slot in enumerate(slots)]
        assert both.driver.used() is None
        done += len(slots)
    assert done > 1 << 16
    assert both.queue.inuse == 0 and both.queue.last_avail_idx == both.queue.used_idx
    assert both.queue.used_idx == done % (1 << 16 if kind == "split" else num)
    if kind == "packed":
        assert both.queue.used_wrap_counter == 1 - done // num % 2


@KINDS
@pytest.mark.parametrize("num", [1, 2, 7, 16])
def test_a_full_ring_is_served_whole(kind: str, num: int) -> None:
    both = pair(kind, num)
    for _ in range(5):
        for slot in range(num):
            both.driver.add(slot, [(DATA, 8, False)])
        assert both.driver.free_slot() is None
        chains = []
        while (chain := both.ring.pop()) is not None:
            chains.append(chain)
        assert len(chains) == both.queue.inuse == num
        both.ring.push([(chain, 0) for chain in reversed(chains)])
        back = [both.driver.used() for _ in range(num)]
        assert sorted(back) == [(slot, 0) for slot in range(num)]


@KINDS
def test_a_buffer_given_back_is_taken_again(kind: str) -> None:
    both = pair(kind, 4, per=2)
    for turn in range(9):  # over every place of the ring, and over its end
        both.driver.add(turn % 2, [(DATA, 8, False), (DATA + 8, 4, True)])
        first = both.ring.pop()
        assert first is not None
        both.ring.unpop(first)
        assert both.queue.inuse == 0 and not both.ring.empty()
        again = both.ring.pop()
        assert again == first
        both.ring.push([(again, 4)])
        assert both.driver.used() == (turn % 2, 4)


@KINDS
@pytest.mark.parametrize("indirect", [False, True])
def test_chains_say_what_may_be_read_and_written(kind: str, indirect: bool) -> None:
    both = pair(kind, 16, per=4)
    parts = [(DATA, 2, False), (DATA + 2, 10, False), (DATA + 12, 7, True), (DATA + 19, 1, True)]
    for _ in range(10):
        both.driver.add(3, parts, indirect=indirect)
        chain = both.ring.pop()
        assert chain is not None and both.ring.pop() is None
        assert chain.readable == [(DATA, 2), (DATA + 2, 10)]
        assert chain.writable == [(DATA + 12, 7), (DATA + 19, 1)]
        both.ring.push([(chain, 8)])
        assert both.driver.used() == (3, 8)


@KINDS
@EVENT_IDX
def test_doorbells_are_spared_while_the_device_works(kind: str, event_idx: bool) -> None:
    both = pair(kind, event_idx=event_idx)
    both.ring.set_notification(True)
    both.driver.add(0, [(DATA, 8, False)])
    assert both.driver.wants_doorbell()
    both.ring.set_notification(False)
    both.driver.add(1, [(DATA, 8, False)])
    assert not both.driver.wants_doorbell()
    while both.ring.pop() is not None:
        pass
    both.ring.set_notification(True)
    both.driver.add(2, [(DATA, 8, False)])
    assert both.driver.wants_doorbell()


@KINDS
def test_interrupts_are_spared_when_the_driver_says_so(kind: str) -> None:
    for quiet in (False, True):
        both = pair(kind, quiet=quiet)
        both.driver.add(0, [(DATA, 8, True)])
        chain = both.ring.pop()
        assert chain is not None
        both.ring.push([(chain, 8)])
        assert both.ring.should_notify() is not quiet


def test_an_interrupt_comes_when_the_used_index_passes_the_event() -> None:
    both = pair("split", event_idx=True)

    def use(event: int) -> bool:
        both.ram.put_u16(both.queue.avail + 4 + 2 * both.queue.num, event)
        both.driver.add(0, [(DATA, 8, True)])
        chain = both.ring.pop()
        assert chain is not None
        both.ring.push([(chain, 8)])
        due = both.ring.should_notify()
        both.driver.used()
        return due

    assert [use(0), use(3), use(3), use(3), use(3)] == [True, False, False, True, False]


def test_an_event_of_the_round_before_lies_behind() -> None:
    """The driver's off_wrap has the other wrap counter: its offset is of the ring's last round (virtio 1.3, 2.8.10)."""
    both = pair("packed", 4, event_idx=True)
    due = []
    for turn in range(6):
        both.ram.write(both.queue.avail, struct.pack("<HH", 0x8000, 2))
        both.driver.add(turn % 4, [(DATA, 8, True)])
        chain = both.ring.pop()
        assert chain is not None
        both.ring.push([(chain, 8)])
        due.append(both.ring.should_notify())
        both.driver.used()
    assert due == [True, False, False, True, False, False]


@KINDS
def test_a_ring_that_no_driver_has_set_up_is_empty(kind: str) -> None:
    both = pair(kind)
    before = dict(both.ram.pages())
    both.queue.desc = 0
    assert both.ring.empty() and both.ring.pop() is None
    both.ring.set_notification(True)
    assert dict(both.ram.pages()) == before


@pytest.mark.parametrize(
    ("event", "new", "old", "due"),
    [(0, 1, 0, True), (1, 1, 0, False), (0xFFFF, 0, 0xFFFE, True), (0, 0, 0xFFFE, False), (5, 3, 2, False)],
)
def test_need_event(event: int, new: int, old: int, due: bool) -> None:
    assert need_event(event, new, old) is due
