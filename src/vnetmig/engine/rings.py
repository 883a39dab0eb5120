"""Virtqueues and guest memory as the engines take them, and what they answer.

Knows numbers only; the structs in csrc/vnetmig.h are the same tables, in the same order, and their comments say what
each value means. Knows no record, no device and no stream.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

WALK = 1024
"""Entries of one ring that are walked at most (qemu: include/hw/virtio/virtio.h:VIRTQUEUE_MAX_SIZE)."""

MAX_QUEUES = 0xFFFFFFFF // WALK


class Flag(IntFlag):
    """What a queue is."""

    PACKED = 1
    BIG_ENDIAN = 2
    LEGACY = 4  #: avail and used follow from desc, num and align
    AVAIL_WRAP = 8
    USED_WRAP = 16


class Option(IntFlag):
    ABSENT_ZERO = 1  #: memory outside of the regions reads as zero
    LOG_ONLY = 2  #: an inconsistent guest index does not end the check (QEMU 5.2)


class Verdict(IntEnum):
    """What loading a queue comes to."""

    OK = 0
    NO_RINGS = 1  #: nothing to check
    NOT_CHECKED = 2  #: memory that the check reads is not known
    INCONSISTENT = 3  #: more new heads than entries: the device is marked broken, the load goes on
    OVERUSED = 4  #: more entries in use than there are: the load fails
    BAD_ADDRESS = 5  #: an index without a ring address: the load fails


class Known(IntFlag):
    """Which values of an answer were really read."""

    AVAIL = 1
    USED = 2
    HEADS = 4
    WAITING = 8


@dataclass(frozen=True, slots=True)
class RingQueue:
    """struct vnm_ring_queue."""

    desc: int = 0
    avail: int = 0
    used: int = 0
    num: int = 0
    align: int = 0
    flags: int = 0
    inuse: int = 0
    last_avail_idx: int = 0
    used_idx: int = 0
    early_idx: int = 0


@dataclass(frozen=True, slots=True)
class RingAnswer:
    """struct vnm_ring_state, with its heads."""

    avail: int = 0
    used: int = 0
    verdict: int = Verdict.OK
    known: int = 0
    inuse: int = 0
    in_flight: int = 0
    waiting: int = 0
    bad_heads: int = 0
    avail_idx: int = 0
    used_idx: int = 0
    shadow_avail_idx: int = 0
    nheads: int = 0
    heads: tuple[int, ...] = ()


Region = tuple[int, int, int]
"""struct vnm_ring_region: gpa, length, offset in the memory handed in beside it."""

QUEUE = struct.Struct("=3Q4I3H2x")
STATE = struct.Struct("=2Q8I4H")
REGION = struct.Struct("=3Q")

BAD_REGIONS = "regions of guest memory must be sorted, apart from one another, and inside of the memory given"
TOO_MANY = f"more than {MAX_QUEUES} queues"


def pack_queues(queues: Sequence[RingQueue]) -> bytes:
    """``queues`` as an array of struct vnm_ring_queue."""
    return b"".join(
        QUEUE.pack(
            q.desc,
            q.avail,
            q.used,
            q.num,
            q.align,
            q.flags,
            q.inuse,
            q.last_avail_idx,
            q.used_idx,
            q.early_idx,
        )
        for q in queues
    )


def pack_regions(regions: Sequence[Region]) -> bytes:
    """``regions`` as an array of struct vnm_ring_region. ValueError for numbers that are no addresses."""
    try:
        return b"".join(REGION.pack(*region) for region in regions)
    except struct.error:
        raise ValueError(BAD_REGIONS) from None
