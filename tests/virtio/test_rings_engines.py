"""The ring kernel: the same answers from both engines, to any input."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vnetmig.engine import engines, get
from vnetmig.engine.rings import Flag, Option, RingAnswer, RingQueue, Verdict

HOSTILE = st.sampled_from((0, 1, 2, 15, 0xFFF, 0x1000, 1 << 32, (1 << 63) - 1, (1 << 64) - 4096)) | st.integers(
    (1 << 64) - 20, (1 << 64) - 1
)
ADDRESS = st.integers(0, 600) | HOSTILE
NUM = st.integers(0, 9) | st.sampled_from((16, 100, 256, 1024, 1025, 0x8000, 0x10000, 0xFFFFFFFF))
U16 = st.integers(0, 9) | st.integers(0, 0xFFFF) | st.integers(0xFFF8, 0xFFFF)
ALIGN = st.sampled_from((0, 1, 3, 4, 64, 4096, 1 << 31, 0xFFFFFFFF))
QUEUE = st.builds(
    RingQueue,
    desc=ADDRESS,
    avail=ADDRESS,
    used=ADDRESS,
    num=NUM,
    align=ALIGN,
    flags=st.integers(0, 31),
    inuse=st.integers(0, 9) | st.just(0xFFFFFFFF),
    last_avail_idx=U16,
    used_idx=U16,
    early_idx=st.integers(0, 1),
)
# (gap in front, length): regions as they come, or broken ones that must be refused alike
LAYOUT = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 200)), max_size=6)


def answers(name: str, *arguments: Any) -> tuple[RingAnswer, ...] | str:
    try:
        return get(name).rings(*arguments)
    except ValueError as error:
        return str(error)


@pytest.mark.skipif(len(engines()) < 2, reason="only one engine here")
@given(
    asked=st.lists(QUEUE, max_size=4),
    layout=LAYOUT,
    at_top=st.booleans(),
    shuffle=st.integers(0, 9),
    words=st.lists(st.sampled_from((0, 1, 2, 3, 0x80, 0x8000, 0x8080, 0xFFFF)) | U16, max_size=400),
    options=st.integers(0, 3),
)
@example([RingQueue(16, 0, 0, 0xFFFFFFFF, 0, 0, 0, 0xFFFF)], [], False, 1, [], 1)
@example([RingQueue(16, 0, 0, 4, 4096, Flag.PACKED, 0xFFFFFFFF, 3, 2)], [(0, 200)], False, 1, [0x80] * 100, 0)
def test_both_engines_agree(
    asked: list[RingQueue],
    layout: list[tuple[int, int]],
    at_top: bool,
    shuffle: int,
    words: list[int],
    options: int,
) -> None:
    memory = struct.pack(f"<{len(words)}H", *words)
    regions, gpa, offset = [], 0, 0
    for gap, length in layout:
        regions.append((gpa + gap, length, offset))
        gpa, offset = gpa + gap + length, offset + length
    if at_top:
        regions = [((1 << 64) - gpa + at, length, offset) for at, length, offset in regions]
    if shuffle == 0:
        regions.reverse()
    if shuffle > 2:
        regions = [r for r in regions if r[1] and r[2] + r[1] <= len(memory)]
    first, second = engines()
    assert answers(first, asked, regions, memory, options) == answers(second, asked, regions, memory, options)


@pytest.mark.skipif(len(engines()) < 2, reason="only one engine here")
@given(
    num=st.integers(1, 6),
    indices=st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 7)),
    wraps=st.integers(0, 3),
    flags=st.lists(st.sampled_from((0, 1, 0x80, 0x81, 0x8000, 0x8001, 0x8080)), min_size=6, max_size=6),
    known=st.sampled_from((96, 96, 50)),
)
def test_both_engines_agree_on_packed_rings(
    num: int, indices: tuple[int, int, int], wraps: int, flags: list[int], known: int
) -> None:
    memory = b"".join(struct.pack("<QIHH", 0, 0, 40 + i, flag) for i, flag in enumerate(flags))
    last, used, inuse = indices
    asked = [RingQueue(4096, 0, 0, num, 0, Flag.PACKED | wraps << 3, inuse, last, used)]
    first, second = engines()
    assert answers(first, asked, [(4096, known, 0)], memory) == answers(second, asked, [(4096, known, 0)], memory)


def test_regions_are_not_trusted(engine: str) -> None:
    for regions in (
        [(0x2000, 16, 0), (0x1000, 16, 0)],
        [(0x1000, 16, 0), (0x1008, 16, 0)],
        [(0x1000, 0, 0)],
        [(0x1000, 65, 0)],
        [(0x1000, 16, 49)],
        [((1 << 64) - 8, 16, 0)],
        [(1 << 64, 16, 0)],
        [(-1, 16, 0)],
        [(0, 16, -1)],
    ):
        with pytest.raises(ValueError, match="regions of guest memory"):
            get(engine).rings([RingQueue()], regions, bytes(64))


def test_every_wrap_of_the_indices(engine: str) -> None:
    asked = []
    memory = bytearray()
    for last in range(1 << 16):
        place = len(memory)
        memory += struct.pack("<HHHH", 0, last + 5 & 0xFFFF, 0, last - 3 & 0xFFFF)
        asked.append(RingQueue(1, place, place + 4, 8, last_avail_idx=last))
    size = len(memory)
    for answer in get(engine).rings(asked, [(0, size, 0)], bytes(memory), Option.ABSENT_ZERO):
        assert (answer.verdict, answer.nheads, answer.inuse, len(answer.heads)) == (Verdict.OK, 5, 3, 3)
