"""What a guest may write into its rings: every fault breaks the device in QEMU's words, none reaches the host."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ring_pair import DATA, Pair, pair
from running import KINDS, made, steps

from vnetmig.model.guest import GuestFailure, layout
from vnetmig.model.net_values import S_NEEDS_RESET
from vnetmig.model.queue import RingFault
from vnetmig.model.split_ring import SplitRing


def descriptor(both: Pair, index: int, gpa: int = DATA, length: int = 8, flags: int = 0, last: int = 0) -> None:
    """``last``: the next of a split ring's descriptor, the id of a packed ring's."""
    order = (flags, last) if isinstance(both.ring, SplitRing) else (last, flags)
    both.ram.write(both.queue.desc + 16 * index, struct.pack("<QIHH", gpa, length, *order))


def split(change: Callable[[Pair], None]) -> Pair:
    both = pair("split", 16)
    descriptor(both, 0)
    both.ram.put_u16(both.queue.avail + 2, 1)
    change(both)
    return both


def packed(change: Callable[[Pair], None]) -> Pair:
    both = pair("packed", 16)
    descriptor(both, 0, flags=0x80)
    change(both)
    return both


def _loop(both: Pair) -> None:
    for index in range(16):
        descriptor(both, index, flags=1, last=(index + 1) % 16)


FAULTS = [
    ("split", lambda b: b.ram.put_u16(b.queue.avail + 2, 17), "Guest moved used index from 0 to 17"),
    ("split", lambda b: b.ram.put_u16(b.queue.avail + 4, 16), "Guest says index 16 is available"),
    ("split", _loop, "Looped descriptor"),
    ("split", lambda b: descriptor(b, 0, flags=1, last=16), "Desc next is 16"),
    ("split", lambda b: descriptor(b, 0, length=0), "virtio: zero sized buffers are not allowed"),
    ("split", lambda b: descriptor(b, 0, gpa=1 << 40), "virtio: bogus descriptor or out of resources"),
    ("split", lambda b: descriptor(b, 0, gpa=(1 << 64) - 4), "virtio: bogus descriptor or out of resources"),
    ("split", lambda b: descriptor(b, 0, flags=4, length=17), "Invalid size for indirect buffer table"),
    ("split", lambda b: setattr(b.queue, "inuse", 16), "Virtqueue size exceeded"),
    ("split", lambda b: setattr(b.queue, "avail", 1 << 50), "Cannot map avail"),
    ("split", lambda b: setattr(b.queue, "desc", 1 << 50), "Cannot map desc"),
    ("packed", lambda b: descriptor(b, 0, flags=0x80, length=0), "virtio: zero sized buffers are not allowed"),
    ("packed", lambda b: descriptor(b, 0, flags=0x84, length=15), "Invalid size for indirect buffer table"),
    ("packed", lambda b: setattr(b.queue, "inuse", 16), "Virtqueue size exceeded"),
    ("packed", lambda b: setattr(b.queue, "desc", 1 << 50), "Cannot map desc"),
    (
        "packed",
        lambda b: [descriptor(b, index, flags=0x81) for index in range(16)],
        "Looped descriptor",
    ),
]


@pytest.mark.parametrize(("kind", "change", "message"), FAULTS, ids=[f"{k}-{m[:24]}" for k, _, m in FAULTS])
def test_a_fault_is_named_as_qemu_names_it(kind: str, change: Callable[[Pair], None], message: str) -> None:
    both = {"split": split, "packed": packed}[kind](change)
    with pytest.raises(RingFault) as fault:
        both.ring.pop()
    assert str(fault.value) == message


def test_what_is_written_behind_what_is_to_be_read_is_refused_the_other_way_round() -> None:
    both = split(lambda b: [descriptor(b, 0, flags=3, last=1), descriptor(b, 1)])
    with pytest.raises(RingFault, match="Incorrect order for descriptors"):
        both.ring.pop()


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_has_no_place_in_memory(kind: str) -> None:
    both = {"split": split, "packed": packed}[kind](lambda _: None)
    chain = both.ring.pop()
    assert chain is not None
    both.queue.desc = both.queue.used = both.queue.avail = 1 << 50
    with pytest.raises(RingFault, match="Cannot map used"):
        both.ring.push([(chain, 8)])
    with pytest.raises(RingFault, match="Cannot map avail"):
        both.ring.should_notify()


def test_notifications_that_have_no_place_in_memory() -> None:
    both = pair("packed", 16)
    both.queue.used = 1 << 50
    with pytest.raises(RingFault, match="Cannot map used"):
        both.ring.set_notification(True)


def test_a_chain_longer_than_the_free_part_of_its_ring() -> None:
    both = packed(lambda b: [descriptor(b, 0, flags=0x81), descriptor(b, 1, flags=0x80)])
    both.queue.inuse = 15
    with pytest.raises(RingFault, match="Virtqueue size exceeded"):
        both.ring.pop()


def test_an_index_that_the_driver_took_back() -> None:
    both = split(lambda b: setattr(b.queue, "shadow_avail_idx", 3))
    both.ram.put_u16(both.queue.avail + 2, 0)
    assert both.ring.pop() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_device_asks_for_a_reset_and_gets_well_by_it(kind: str) -> None:
    guest, device = made(kind, seed=4)
    steps(guest, 50)
    queue = device.values.queues[1]
    if kind == "split":
        guest.ram.put_u16(queue.avail + 2, queue.last_avail_idx + queue.num + 1)
    else:
        flags = 0x80 if queue.last_avail_wrap_counter else 0x8000
        guest.ram.write(queue.desc + 16 * queue.last_avail_idx, struct.pack("<QIHH", DATA, 0, 0, flags))
    device.notify(1)
    assert device.fault is not None and device.values.status & S_NEEDS_RESET
    assert device.save()["broken.broken"] == 1
    assert device.read_isr() & 2
    used = guest.ram.read(queue.used, 64)
    device.notify(1)
    assert guest.ram.read(queue.used, 64) == used, "a broken device serves nothing"
    with pytest.raises(GuestFailure, match="needs a reset"):
        steps(guest, 200)
    device.write("device_status", 0)
    assert device.fault is None and "broken" not in device.save().subsections()


@pytest.mark.parametrize("kind", KINDS)
@given(
    writes=st.lists(
        st.tuples(st.integers(0, layout.QUEUE_AREA * 2 - 1), st.binary(min_size=1, max_size=24)),
        min_size=1,
        max_size=12,
    ),
    bells=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    seed=st.integers(0, 3),
)
def test_garbage_in_the_rings_never_reaches_the_host(
    kind: str, writes: list[tuple[int, bytes]], bells: list[int], seed: int
) -> None:
    guest, device = made(kind, seed=seed)
    steps(guest, 20)
    control = layout.QUEUES_AT + layout.QUEUE_AREA * layout.CONTROL
    for at, data in writes:
        base = layout.QUEUES_AT if at < layout.QUEUE_AREA else control - layout.QUEUE_AREA
        guest.ram.write(base + at, data)
        guest.ram.write(base + at + layout.QUEUE_AREA * (at < layout.QUEUE_AREA), data)
    for bell in bells:
        device.notify(bell)
        device.receive(bytes(6) + b"\x02" * 54)
    assert device.values.broken is (device.fault is not None)
    saved = device.save()
    assert saved.program.load(saved.save()).error is None
