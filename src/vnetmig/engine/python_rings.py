"""Virtqueue rings in guest memory: the portable twin of csrc/ring.c, and its readable specification.

Sources: virtio 1.3, 2.7 (split rings) and 2.8 (packed rings); qemu: hw/virtio/virtio.c:virtio_load.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from vnetmig.engine.rings import (
    BAD_REGIONS,
    MAX_QUEUES,
    TOO_MANY,
    WALK,
    Flag,
    Known,
    Option,
    Region,
    RingAnswer,
    RingQueue,
    Verdict,
)

_TOP = 1 << 64
_INDEX, _ENTRIES = 2, 4  # split ring: flags, idx, ring[] (virtio 1.3, 2.7.6 and 2.7.8)
_DESC, _ID, _FLAGS = 16, 12, 14  # packed descriptor: addr, len, id, flags (virtio 1.3, 2.8: struct pvirtq_desc)
_NEXT, _AVAIL_BIT, _USED_BIT = 1, 7, 15


class _Guest:
    def __init__(self, regions: Sequence[Region], memory: bytes | bytearray | memoryview, absent_zero: bool) -> None:
        self.regions = regions
        self.starts = [gpa for gpa, _, _ in regions]
        self.memory = memory
        self.absent_zero = absent_zero

    def valid(self) -> bool:
        end = 0
        for gpa, length, offset in self.regions:
            if length <= 0 or gpa < end or gpa + length > _TOP:
                return False
            if offset < 0 or offset + length > len(self.memory):
                return False
            end = gpa + length
        return True

    def byte(self, gpa: int) -> int | None:
        index = bisect_right(self.starts, gpa) - 1
        if index >= 0:
            start, length, offset = self.regions[index]
            if gpa - start < length:
                return self.memory[offset + gpa - start]
        return 0 if self.absent_zero else None

    def read16(self, gpa: int, big_endian: bool) -> int | None:
        """The u16 at ``gpa``; what would lie behind 2^64 is never known."""
        if gpa + 2 > _TOP:
            return None
        first, second = self.byte(gpa), self.byte(gpa + 1)
        if first is None or second is None:
            return None
        return first << 8 | second if big_endian else second << 8 | first


def ring_addresses(queue: RingQueue) -> tuple[int, int]:
    """avail and used. Modulo 2^64, as in qemu: hw/virtio/virtio.c:virtio_queue_update_rings."""
    if not queue.flags & Flag.LEGACY or not queue.desc or not queue.num or not queue.align:
        return queue.avail, queue.used
    avail = (queue.desc + 16 * queue.num) % _TOP
    used = (avail + _ENTRIES + 2 * queue.num + queue.align - 1) % _TOP & ~(queue.align - 1)
    return avail, used


def _split(guest: _Guest, q: RingQueue, options: int) -> RingAnswer:
    avail, used = ring_addresses(q)
    big = bool(q.flags & Flag.BIG_ENDIAN)
    verdict, known = Verdict.OK, 0
    nheads = waiting = 0
    avail_idx = guest.read16(avail + _INDEX, big)
    if avail_idx is None:
        verdict = Verdict.NOT_CHECKED
    else:
        known |= Known.AVAIL
        nheads = (avail_idx - q.last_avail_idx) & 0xFFFF
        if nheads > q.num:
            verdict = Verdict.INCONSISTENT
            if not options & Option.LOG_ONLY:
                return RingAnswer(avail, used, verdict, known, avail_idx=avail_idx, nheads=nheads)
        else:
            waiting = nheads
            known |= Known.WAITING

    def answer(used_idx: int = 0, inuse: int = 0, in_flight: int = 0, heads: tuple[int, ...] = ()) -> RingAnswer:
        bad = sum(head >= q.num for head in heads)
        index = avail_idx or 0
        return RingAnswer(
            avail, used, verdict, known, inuse, in_flight, waiting, bad, index, used_idx, index, nheads, heads
        )

    used_idx = guest.read16(used + _INDEX, big)
    if used_idx is None:
        if verdict == Verdict.OK:
            verdict = Verdict.NOT_CHECKED
        return answer()
    known |= Known.USED
    inuse = (q.last_avail_idx - used_idx) & 0xFFFF
    if inuse > q.num:
        if verdict != Verdict.NOT_CHECKED:
            verdict = Verdict.OVERUSED
        return answer(used_idx, inuse)
    count = min(inuse, WALK)
    places = (avail + _ENTRIES + 2 * ((used_idx + i & 0xFFFF) % q.num) for i in range(count))
    heads = tuple(_until_unknown(guest.read16(place, big) for place in places))
    if len(heads) == inuse:
        known |= Known.HEADS
    return answer(used_idx, inuse, inuse, heads)


def _until_unknown(values: Iterator[int | None]) -> Iterator[int]:
    for value in values:
        if value is None:
            return
        yield value


def _descriptors(
    guest: _Guest, q: RingQueue, at: int, wrap: bool, count: int
) -> Iterator[tuple[bool, int, int] | None]:
    """(available, id, flags) of ``count`` packed descriptors from ``at`` on; None for one that is not known."""
    big = bool(q.flags & Flag.BIG_ENDIAN)
    for _ in range(count):
        ident = guest.read16(q.desc + _DESC * at + _ID, big)
        flags = guest.read16(q.desc + _DESC * at + _FLAGS, big)
        if ident is None or flags is None:
            yield None
            return
        # virtio 1.3, 2.8.1: available when the AVAIL bit is the wrap counter and the USED bit is not
        yield (flags >> _AVAIL_BIT & 1) == wrap != (flags >> _USED_BIT & 1), ident, flags
        at += 1
        if at >= q.num:
            at, wrap = 0, not wrap


def _packed(guest: _Guest, q: RingQueue) -> RingAnswer:
    avail, used = ring_addresses(q)
    known = waiting = 0
    heads: list[int] = []
    in_flight = q.inuse if q.inuse <= q.num else 0
    if q.used_idx < q.num:
        walked = 0
        wrap = bool(q.flags & Flag.USED_WRAP)
        for found in _descriptors(guest, q, q.used_idx, wrap, min(in_flight, WALK)):
            if found is None:
                break
            walked += 1
            available, ident, flags = found
            # Only the last descriptor of a chain carries the buffer id (virtio 1.3, 2.8.6).
            if available and not flags & _NEXT:
                heads.append(ident)
        if walked == in_flight:
            known |= Known.HEADS
    if q.last_avail_idx < q.num:
        wrap = bool(q.flags & Flag.AVAIL_WRAP)
        for found in _descriptors(guest, q, q.last_avail_idx, wrap, min(q.num, WALK)):
            if found is None:
                break
            if not found[0]:
                known |= Known.WAITING
                break
            waiting += 1
        else:
            known |= Known.WAITING
    return RingAnswer(
        avail,
        used,
        Verdict.OK,
        known,
        q.inuse,
        in_flight,
        waiting,
        used_idx=q.used_idx,
        shadow_avail_idx=q.last_avail_idx,
        heads=tuple(heads),
    )


def _answer(guest: _Guest, q: RingQueue, options: int) -> RingAnswer:
    if not q.desc or not q.num:
        avail, used = ring_addresses(q)
        bad = not q.desc and q.early_idx
        return RingAnswer(avail, used, Verdict.BAD_ADDRESS if bad else Verdict.NO_RINGS)
    return _packed(guest, q) if q.flags & Flag.PACKED else _split(guest, q, options)


def rings(
    queues: Sequence[RingQueue],
    regions: Sequence[Region] = (),
    memory: bytes | bytearray | memoryview = b"",
    options: int = 0,
) -> tuple[RingAnswer, ...]:
    """What QEMU would find in the rings of ``queues``. See csrc/vnetmig.h:vnm_rings.

    ValueError for too many queues, or for regions that overlap or lie outside of ``memory``.
    """
    if len(queues) > MAX_QUEUES:
        raise ValueError(TOO_MANY)
    guest = _Guest(regions, memory, bool(options & Option.ABSENT_ZERO))
    if not guest.valid():
        raise ValueError(BAD_REGIONS)
    return tuple(_answer(guest, q, options) for q in queues)
