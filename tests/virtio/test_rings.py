"""Virtqueues of a record, and their rings in guest memory: values, verdicts, QEMU's words."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import pytest

from vnetmig.engine.rings import Verdict
from vnetmig.virtio import net
from vnetmig.virtio.rings import RingState, check_rings, guest_features, queues, ring_spans
from vnetmig.vmstate import Program, Record

PAGE = 4096
DESC, AVAIL, USED = 0x10000, 0x12000, 0x13000
VERSION_1, PACKED = 1 << 32, 1 << 34


@dataclass
class Guest:
    """A guest's memory to write rings into; unknown where nothing was written, unless ``zero``."""

    zero: bool = False
    pages: dict[int, bytearray] = field(default_factory=dict)

    def read(self, gpa: int, length: int) -> bytes | None:
        page = self.pages.get(gpa & -PAGE)
        if page is None:
            return bytes(length) if self.zero else None
        return bytes(page[gpa % PAGE : gpa % PAGE + length])

    def put(self, gpa: int, *values: int, form: str = "<H") -> None:
        for value in values:
            for byte in struct.pack(form, value):
                self.pages.setdefault(gpa & -PAGE, bytearray(PAGE))[gpa % PAGE] = byte
                gpa += 1


def device(features: int = VERSION_1, count: int = 1, *, mmio: bool = False, **queue: int) -> Record:
    """A virtio-net record with ``count`` queues alike: the right ones by default, to be altered."""
    params = {"mmio": int(mmio), "config_size": 256, "vectors": 0 if mmio else 4, "multiqueue": 0}
    record = Program(net.SECTION, params).new_record()
    values = {"num": 256, "desc": DESC, "avail": AVAIL, "used": USED, "last_avail_idx": 0} | queue
    record.resize("vq", count)
    record["guest_features_low"] = features & 0xFFFFFFFF
    record.add("64bit_features")
    record["64bit_features.guest_features"] = features
    record.add("virtqueues")
    for i in range(count):
        for name, value in values.items():
            at = "virtqueues.vq" if name in ("avail", "used") else "vq"
            record[f"{at}[{i}].{name}"] = value
    return record


def split(avail_idx: int, used_idx: int, form: str = "<H") -> Guest:
    guest = Guest()
    guest.put(AVAIL + 2, avail_idx, form=form)
    guest.put(AVAIL + 4, *range(256), form=form)
    guest.put(USED + 2, used_idx, form=form)
    return guest


def one(record: Record, memory: Guest | None, engine: str, **options: bool) -> RingState:
    (state,) = check_rings(record, memory, engine, **options)
    return state


# verdicts


def test_a_good_ring(engine: str) -> None:
    state = one(device(last_avail_idx=10), split(12, 7), engine)
    assert (state.verdict, state.message, state.fails, state.breaks) == (Verdict.OK, None, False, False)
    assert (state.avail_idx, state.used_idx, state.shadow_avail_idx) == (12, 7, 12)
    assert (state.inuse, state.nheads, state.waiting) == (3, 2, 2)
    assert (state.heads, state.bad_heads) == ((7, 8, 9), 0)


def test_words_of_an_inconsistent_index(engine: str) -> None:
    state = one(device(last_avail_idx=0x3EE), split(0x100, 6), engine)
    assert state.message == "VQ 0 size 0x100 Guest index 0x100 inconsistent with Host index 0x3ee: delta 0xfd12"
    assert state.breaks
    assert not state.fails
    assert (state.used_idx, state.shadow_avail_idx, state.inuse, state.heads) == (0, 0, 0, None)
    assert (state.avail_idx, state.nheads) == (0x100, 0xFD12)


def test_ram_that_has_not_come_yet(engine: str) -> None:
    """The example of the iterative RFC: rings still read as zero when the state comes early."""
    state = one(device(last_avail_idx=0xC), Guest(zero=True), engine)
    assert state.message == "VQ 0 size 0x100 Guest index 0x0 inconsistent with Host index 0xc: delta 0xfff4"


def test_words_of_too_many_in_use(engine: str) -> None:
    state = one(device(last_avail_idx=0x3EE), split(0x3EE, 6), engine)
    assert state.message == "VQ 0 size 0x100 < last_avail_idx 0x3ee - used_idx 0x6"
    assert state.fails
    assert (state.used_idx, state.inuse, state.heads) == (6, 0x3E8, None)


def test_an_old_loader_logs_and_goes_on(engine: str) -> None:
    record, memory = device(last_avail_idx=0x3EE), split(0x100, 6)
    state = one(record, memory, engine, log_only=True)
    assert state.message == "VQ 0 size 0x100 < last_avail_idx 0x3ee - used_idx 0x6"
    state = one(device(num=100, last_avail_idx=6), split(0x100, 6), engine, log_only=True)
    assert state.message == "VQ 0 size 0x64 Guest index 0x100 inconsistent with Host index 0x6: delta 0xfa"
    assert (state.used_idx, state.inuse, state.shadow_avail_idx) == (6, 0, 0x100)


def test_an_index_without_an_address(engine: str) -> None:
    for memory in (None, Guest(zero=True)):
        state = one(device(desc=0, last_avail_idx=4), memory, engine)
        assert state.message == "VQ 0 address 0x0 inconsistent with Host index 0x4"
        assert state.fails


@pytest.mark.parametrize(
    ("num", "waiting", "in_use", "verdict"),
    [
        (256, 256, 0, Verdict.OK),
        (256, 257, 0, Verdict.INCONSISTENT),
        (256, 0, 256, Verdict.OK),
        (256, 0, 257, Verdict.OVERUSED),
        (100, 100, 100, Verdict.OK),  # not a power of two
        (100, 101, 0, Verdict.INCONSISTENT),
        (1, 1, 1, Verdict.OK),
        (0, 7, 9, Verdict.NO_RINGS),
        (1 << 16, 0xFFFF, 0xFFFF, Verdict.OK),
        (0xFFFFFFFF, 0xFFFF, 0xFFFF, Verdict.OK),
    ],
)
def test_limits(num: int, waiting: int, in_use: int, verdict: Verdict, engine: str) -> None:
    guest = split(0x8000 + waiting & 0xFFFF, 0x8000 - in_use & 0xFFFF)
    assert one(device(num=num, last_avail_idx=0x8000), guest, engine).verdict == verdict


# memory


def test_without_memory_nothing_is_checked(engine: str) -> None:
    state = one(device(last_avail_idx=0x3EE), None, engine)
    assert (state.verdict, state.message) == (Verdict.NOT_CHECKED, None)
    assert (state.avail_idx, state.used_idx, state.shadow_avail_idx, state.inuse) == (None,) * 4
    assert (state.nheads, state.waiting, state.heads) == (None,) * 3
    assert one(device(desc=0), None, engine).used_idx is None


def test_one_ring_unknown(engine: str) -> None:
    guest = split(12, 7)
    del guest.pages[USED]
    state = one(device(last_avail_idx=10), guest, engine)
    assert (state.verdict, state.avail_idx, state.waiting, state.used_idx) == (Verdict.NOT_CHECKED, 12, 2, None)
    guest = split(12, 7)
    del guest.pages[AVAIL]
    state = one(device(last_avail_idx=10), guest, engine)
    assert (state.verdict, state.avail_idx, state.used_idx, state.heads) == (Verdict.NOT_CHECKED, None, 7, None)


def test_hostile_addresses(engine: str) -> None:
    top = (1 << 64) - 1
    for avail, used in ((top, top), (top - 3, top - 1), (top - 4095, 0), (AVAIL + 1, USED + 4095)):
        record = device(avail=avail, used=used, num=0xFFFFFFFF, last_avail_idx=1)
        for memory in (Guest(), Guest(zero=True), split(1, 1)):
            state = one(record, memory, engine)
            assert all(0 <= gpa < 1 << 64 for gpa, _ in ring_spans(record))
            assert state == one(record, memory, "python")
    assert one(device(avail=top, last_avail_idx=0), Guest(zero=True), engine).verdict == Verdict.NOT_CHECKED


def test_heads_that_name_no_descriptor(engine: str) -> None:
    guest = split(12, 7)
    guest.put(AVAIL + 4 + 2 * 8, 256)
    state = one(device(last_avail_idx=10), guest, engine)
    assert (state.verdict, state.heads, state.bad_heads) == (Verdict.OK, (7, 256, 9), 1)


def test_spans_hold_all_that_a_check_reads(engine: str) -> None:
    for features in (VERSION_1, 0, VERSION_1 | PACKED):
        record = device(features, last_avail_idx=10)
        guest = Guest()
        for gpa, length in ring_spans(record):
            guest.put(gpa, *bytes(length), form="B")
        assert one(record, guest, engine).verdict != Verdict.NOT_CHECKED
    assert ring_spans(device(desc=0)) == []
    assert ring_spans(device(num=0)) == []


# layouts


def test_legacy_addresses_follow_from_desc(engine: str) -> None:
    record = device(0, desc=0x5AE6000, avail=1, used=2)
    (queue,) = queues(record)
    assert (queue.legacy, queue.avail, queue.used) == (True, 0x5AE7000, 0x5AE8000)
    record = device(0, mmio=True, desc=0x5AE6000, num=128, align=64)
    (queue,) = queues(record)
    assert (queue.avail, queue.used) == (0x5AE6800, 0x5AE6940)
    assert queue.vector is None
    (queue,) = queues(device(0, mmio=True, desc=0x5AE6000, avail=0, used=0, align=0))
    assert (queue.avail, queue.used) == (0, 0)
    (queue,) = queues(device(0, desc=(1 << 64) - 16))
    assert queue.avail == 16 * 256 - 16


@pytest.mark.parametrize(
    ("features", "endian", "target", "big"),
    [
        (0, None, False, False),
        (0, None, True, True),
        (0, 1, True, False),
        (0, 2, False, True),
        (VERSION_1, 2, True, False),
    ],
)
def test_byte_order(features: int, endian: int | None, target: bool, big: bool, engine: str) -> None:
    record = device(features, num=256, desc=0x11000, last_avail_idx=0x0104)
    if endian is not None:
        record.add("device_endian")
        record["device_endian.device_endian"] = endian
    guest = split(0x0105, 0x0104, ">H" if big else "<H")
    state = one(record, guest, engine, big_endian_target=target)
    assert (state.queue.big_endian, state.avail_idx, state.used_idx) == (big, 0x105, 0x104)


def test_packed_ring_state_is_the_stream_s(engine: str) -> None:
    record = device(VERSION_1 | PACKED, num=4, last_avail_idx=9)
    record.add("packed_virtqueues")
    values = {"last_avail_idx": 3, "last_avail_wrap_counter": 1, "used_idx": 1, "used_wrap_counter": 1, "inuse": 2}
    for name, value in values.items():
        record[f"packed_virtqueues.vq[0].{name}"] = value
    state = one(record, None, engine)
    assert (state.verdict, state.used_idx, state.inuse, state.shadow_avail_idx) == (Verdict.OK, 1, 2, 3)
    assert (state.queue.last_avail_idx, state.queue.early_idx) == (3, 9)
    assert (state.waiting, state.heads) == (None, None)

    guest = Guest()
    for i, flags in enumerate((0x8080, 0x0081, 0x0080, 0x0080)):  # used, two in a chain, one that waits
        guest.put(DESC + 16 * i + 12, 40 + i, flags)
    state = one(record, guest, engine)
    assert (state.heads, state.waiting, state.avail_idx, state.message) == ((42,), 1, None, None)


# features


def test_features_are_put_together_as_the_loader_does() -> None:
    record = Program(net.SECTION, {"mmio": 1, "config_size": 256, "vectors": 0, "multiqueue": 0}).new_record()
    record["guest_features_low"] = 0x30AF8024
    assert guest_features(record) == 0x30AF8024
    record.add("128bit_features")
    record["128bit_features.guest_features_high"] = 6
    assert guest_features(record) == 6 << 64 | 0x30AF8024
    record.add("64bit_features")
    record["64bit_features.guest_features"] = 0x1_30AF8025
    assert guest_features(record) == 6 << 64 | 0x1_30AF8025


def test_the_last_duplicate_counts() -> None:
    payload = device(VERSION_1 | 1).save()
    header = b"\x05\x15virtio/64bit_features\0\0\0\x01"
    end = payload.index(header) + len(header) + 8
    again = header + (VERSION_1 | 2).to_bytes(8, "big")
    loaded = device().program.load(payload[:end] + again + payload[end:])
    assert loaded.error is None
    assert guest_features(loaded.record) == VERSION_1 | 2


def test_no_queues() -> None:
    record = device(count=0)
    assert queues(record) == ()
    assert check_rings(record, Guest()) == ()
