"""The virtqueues of a virtio record, and what QEMU would find in their rings when it loads them.

Knows where a virtio section keeps queue state and what the loader makes of it (qemu: hw/virtio/virtio.c:virtio_load);
the reading of guest memory itself is the engine's. Does not know where guest memory comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vnetmig.engine import get
from vnetmig.engine.python_rings import ring_addresses
from vnetmig.engine.rings import WALK, Flag, Known, Option, Region, RingAnswer, RingQueue, Verdict
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.vmstate import Record
from vnetmig.vmstate.table import Part, parts

VERSION_1 = 1 << 32
RING_PACKED = 1 << 34

PCI_ALIGN = 4096
"""Alignment of a legacy device's used ring on PCI (qemu: VIRTIO_PCI_VRING_ALIGN); mmio drivers choose it."""

BIG = 2
"""virtio/device_endian: VIRTIO_DEVICE_ENDIAN_BIG."""

PAGE_SIZE = 4096

# As plain numbers: what an operator on enumerations costs is a third of a ring check.
_PACKED, _BIG_ENDIAN, _LEGACY = int(Flag.PACKED), int(Flag.BIG_ENDIAN), int(Flag.LEGACY)
_AVAIL_WRAP, _USED_WRAP = int(Flag.AVAIL_WRAP), int(Flag.USED_WRAP)
_AVAIL, _USED, _HEADS, _WAITING = int(Known.AVAIL), int(Known.USED), int(Known.HEADS), int(Known.WAITING)
_VERDICTS = {int(verdict): verdict for verdict in Verdict}


class Memory(Protocol):
    """Guest memory: ``length`` bytes at guest physical address ``gpa``, or None if any of them is unknown."""

    def read(self, gpa: int, length: int) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue as the stream has it. ``used_idx`` and ``inuse`` of a split ring are in guest memory only: None."""

    index: int
    num: int
    num_default: int | None  #: the device's own size, where a driver chose another one
    desc: int
    avail: int  #: computed for a legacy device
    used: int
    align: int
    last_avail_idx: int
    early_idx: int  #: last_avail_idx beside desc; what holds may come from packed_virtqueues
    vector: int | None  #: MSI-X; 0xffff is none, None is a device without MSI-X
    packed: bool
    legacy: bool
    big_endian: bool
    used_idx: int | None = None
    inuse: int | None = None
    last_avail_wrap_counter: int | None = None
    used_wrap_counter: int | None = None


@dataclass(frozen=True, slots=True)
class RingState:
    """One queue after loading: values as QEMU would hold them, None where memory that says so is not known."""

    index: int
    queue: QueueState
    verdict: Verdict
    avail_idx: int | None  #: split: what the driver wrote, in guest memory
    used_idx: int | None
    shadow_avail_idx: int | None
    inuse: int | None  #: entries (packed: descriptors) taken by the device and not given back
    nheads: int | None  #: split: avail_idx - last_avail_idx, modulo 2^16
    waiting: int | None  #: entries (packed: descriptors) made available and not taken yet
    heads: tuple[int, ...] | None  #: descriptor heads (packed: buffer ids) in flight, oldest first
    bad_heads: int  #: split: those of them that name no descriptor of the ring

    @property
    def message(self) -> str | None:
        """What QEMU says, in its own words; None when it says nothing."""
        queue = self.queue
        start = f"VQ {self.index} size {queue.num:#x} "
        if self.verdict == Verdict.INCONSISTENT:
            return (
                f"{start}Guest index {self.avail_idx:#x} inconsistent with "
                f"Host index {queue.last_avail_idx:#x}: delta {self.nheads:#x}"
            )
        if self.verdict == Verdict.OVERUSED:
            return f"{start}< last_avail_idx {queue.last_avail_idx:#x} - used_idx {self.used_idx:#x}"
        if self.verdict == Verdict.BAD_ADDRESS:
            return f"VQ {self.index} address 0x0 inconsistent with Host index {queue.early_idx:#x}"
        return None

    @property
    def avail(self) -> int:
        return self.queue.avail

    @property
    def used(self) -> int:
        return self.queue.used

    @property
    def fails(self) -> bool:
        """The load of the device ends here, and so does the migration."""
        return self.verdict in (Verdict.OVERUSED, Verdict.BAD_ADDRESS)

    @property
    def breaks(self) -> bool:
        """The load goes on, with a device that is marked broken (QEMU 5.2: it only logs)."""
        return self.verdict == Verdict.INCONSISTENT


def guest_features(record: Record) -> int:
    """The features the driver accepted, all 128 bits, as virtio_load puts them together.

    The word beside the status holds bits 0..31; 64bit_features has them all again and wins; 128bit_features adds
    bits 64..127.
    """
    return features_in(parts(record))


def features_in(found: dict[str, Part]) -> int:
    """The same of a record whose parts are known already."""
    low = _value(found, "64bit_features", "guest_features")
    if low is None:
        low = _value(found, "", "guest_features_low") or 0
    return (_value(found, "128bit_features", "guest_features_high") or 0) << 64 | low


def _value(found: dict[str, Part], part: str, name: str) -> int | None:
    return found[part].value(name) if part in found else None


def _columns(found: dict[str, Part], part: str, limit: int) -> dict[str, tuple[int, ...]]:
    return found[part].columns("vq", limit) if part in found else {}


def queues(record: Record, *, big_endian_target: bool = False) -> tuple[QueueState, ...]:
    """Every queue of a virtio device's section. ``big_endian_target``: of a guest that is so by default."""
    found = parts(record)
    core = _columns(found, "", QUEUE_MAX)
    count = len(core.get("num", ()))
    features = features_in(found)
    legacy, packed = not features & VERSION_1, bool(features & RING_PACKED)
    endian = _value(found, "device_endian", "device_endian")
    is_big = big_endian_target if endian is None else endian == BIG
    addresses = _columns(found, "virtqueues", count)
    sizes = _columns(found, "ringsize", count)
    state = _columns(found, "packed_virtqueues", count)
    none, zero = (None,) * count, (0,) * count

    def queue(i: int) -> QueueState:
        placed = RingQueue(
            desc=core["desc"][i],
            avail=addresses.get("avail", zero)[i],
            used=addresses.get("used", zero)[i],
            num=core["num"][i],
            align=core["align"][i] if "align" in core else PCI_ALIGN,
            flags=_LEGACY if legacy else 0,
        )
        avail, used = ring_addresses(placed)
        return QueueState(
            index=i,
            num=placed.num,
            num_default=sizes.get("num_default", none)[i],
            desc=placed.desc,
            avail=avail,
            used=used,
            align=placed.align,
            last_avail_idx=state.get("last_avail_idx", core["last_avail_idx"])[i],
            early_idx=core["last_avail_idx"][i],
            vector=core.get("vector", none)[i],
            packed=packed,
            legacy=legacy,
            big_endian=legacy and is_big,
            used_idx=state.get("used_idx", zero)[i] if packed else None,
            inuse=state.get("inuse", zero)[i] if packed else None,
            last_avail_wrap_counter=state.get("last_avail_wrap_counter", none)[i],
            used_wrap_counter=state.get("used_wrap_counter", none)[i],
        )

    return tuple(queue(i) for i in range(count))


def ring_spans(record: Record) -> list[tuple[int, int]]:
    """(address, length) of guest memory that holds the rings: what to keep so that they can be checked later.

    Split: the available and the used ring; packed: the descriptor ring. At most 1,024 entries of each.
    """
    return _spans(queues(record))


def check_rings(
    record: Record,
    memory: Memory | None,
    engine: str | None = None,
    *,
    log_only: bool = False,
    big_endian_target: bool = False,
) -> tuple[RingState, ...]:
    """What loading ``record`` beside ``memory`` makes of every queue: all of them, where QEMU stops at the first fault.

    ``memory`` None: nothing is known of it, and split rings are not checked. ``log_only``: as QEMU 5.2, which logs an
    inconsistent guest index and goes on to compare the used index.
    """
    known = queues(record, big_endian_target=big_endian_target)
    regions, content = _gather(memory, _spans(known)) if memory is not None else ((), b"")
    answers = get(engine).rings(
        [_asked(queue) for queue in known], regions, content, Option.LOG_ONLY if log_only else 0
    )
    return tuple(_loaded(q, answer, memory is not None) for q, answer in zip(known, answers, strict=True))


def provisional_rings(record: Record) -> tuple[RingState, ...]:
    """The queues of a state that came while its guest still ran elsewhere: nothing of their rings is looked at.

    What a split ring has in guest memory only is zero until the final state (RFC patch 5: used_idx, shadow_avail_idx
    and inuse); a packed ring takes the stream's.
    """

    def state(queue: QueueState) -> RingState:
        used, inuse = (queue.used_idx, queue.inuse) if queue.packed else (0, 0)
        shadow = queue.last_avail_idx if queue.packed else 0
        return RingState(queue.index, queue, Verdict.NOT_CHECKED, None, used, shadow, inuse, None, None, None, 0)

    return tuple(state(queue) for queue in queues(record))


def _spans(known: Iterable[QueueState]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for queue in known:
        entries = min(queue.num, WALK)
        if not queue.desc or not entries:
            continue
        if queue.packed:
            spans.append((queue.desc, 16 * entries))
        else:
            # flags, idx, ring[], and the event index that virtio 1.3, 2.7.6 and 2.7.8 put behind
            spans += (queue.avail, 6 + 2 * entries), (queue.used, 6 + 8 * entries)
    return spans


def _gather(memory: Memory, spans: Sequence[tuple[int, int]]) -> tuple[tuple[Region, ...], bytes]:
    """The pages below ``spans`` that are known, as the engine takes them."""
    pages = sorted(
        {page for gpa, length in spans for page in range(gpa & -PAGE_SIZE, min(gpa + length, 1 << 64), PAGE_SIZE)}
    )
    regions: list[Region] = []
    content: list[bytes] = []
    for page in pages:
        data = memory.read(page, PAGE_SIZE)
        if data is not None and len(data) == PAGE_SIZE:
            regions.append((page, PAGE_SIZE, PAGE_SIZE * len(content)))
            content.append(data)
    return tuple(regions), b"".join(content)


def _asked(queue: QueueState) -> RingQueue:
    flags = (
        (_PACKED if queue.packed else 0)
        | (_BIG_ENDIAN if queue.big_endian else 0)
        | (_AVAIL_WRAP if queue.last_avail_wrap_counter else 0)
        | (_USED_WRAP if queue.used_wrap_counter else 0)
    )
    return RingQueue(
        queue.desc,
        queue.avail,
        queue.used,
        queue.num,
        queue.align,
        flags,
        queue.inuse or 0,
        queue.last_avail_idx,
        queue.used_idx or 0,
        queue.early_idx,
    )


def _loaded(queue: QueueState, answer: RingAnswer, has_memory: bool) -> RingState:
    verdict = _VERDICTS[answer.verdict]

    def known(value: int, bit: int) -> int | None:
        return value if answer.known & bit else None

    avail_idx = nheads = shadow = used_idx = inuse = None
    if queue.packed:
        used_idx, inuse, shadow = queue.used_idx, queue.inuse, queue.last_avail_idx
    elif verdict == Verdict.NO_RINGS and has_memory:
        used_idx = inuse = shadow = 0  # as a reset leaves them; the loader passes by
    else:
        avail_idx = shadow = known(answer.avail_idx, _AVAIL)
        nheads = known(answer.nheads, _AVAIL)
        used_idx, inuse = known(answer.used_idx, _USED), known(answer.inuse, _USED)
        if verdict == Verdict.INCONSISTENT and used_idx is None:
            used_idx = inuse = shadow = 0  # qemu: virtio_load goes on with the next queue
    return RingState(
        index=queue.index,
        queue=queue,
        verdict=verdict,
        avail_idx=avail_idx,
        used_idx=used_idx,
        shadow_avail_idx=shadow,
        inuse=inuse,
        nheads=nheads,
        waiting=known(answer.waiting, _WAITING),
        heads=answer.heads if answer.known & _HEADS else None,
        bad_heads=answer.bad_heads,
    )
