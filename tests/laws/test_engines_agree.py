"""Law: the C engine and the Python engine answer alike, on whole, cut and damaged sections of real streams."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from agreement import agree, both_engines
from real_streams import COMPLETE, Sample, every_capture, sample, samples, telling_offsets

from vnetmig.engine import engines
from vnetmig.engine.code import Code

FLIPS = 1_500
"""Single-bit flips per section without VNETMIG_COMPLETE, which flips every bit of every telling byte."""

SECTIONS = {
    "legacy": ("linux-user-legacy-q72", "virtio-net"),
    "5.2": ("linux-user-1q-ping-q52", "virtio-net"),
    "four pairs": ("linux-tap-4q-load-q72", "virtio-net"),
    "packed, 128 bit": ("linux-tap-4q-packed-q111", "virtio-net"),
    "rss": ("linux-tap-4q-rss-q100", "virtio-net"),
    "65 macs": ("linux-user-macs-overflow-q111", "virtio-net"),
    "express": ("linux-q35-pcie-q72", "virtio-net"),
    "mmio": ("microvm-mmio-q72", "virtio-net"),
    "console": ("linux-multi-q72", "virtio-console"),
    "console in flight": ("inflight-vport-q72", "virtio-console"),
    "block in flight": ("inflight-blk-scsi-q72", "02.0/virtio-blk"),
    "packed block in flight": ("inflight-packed-q72", "virtio-blk"),
    "scsi": ("linux-multi-q72", "virtio-scsi"),
    "balloon": ("linux-multi-q72", "virtio-balloon"),
    "lists and null pointers": ("s390x-ioint-q111", "qemu-s390-flic"),
    "gtree": ("xlnx-versal-gtree-q111", "xlnx-cframe-reg"),
    "cpu": ("linux-user-legacy-q72", "cpu"),
}

each_section = pytest.mark.parametrize("which", list(SECTIONS))
pytestmark = both_engines


def section(which: str) -> Sample:
    return sample(*SECTIONS[which])


@every_capture
def test_on_every_section_of_every_stream(folder: Path) -> None:
    number = 0
    for found in samples(folder):
        assert agree(found.program, found.payload).position == len(found.payload)
        assert agree(found.program, found.payload + b"\x7e\0\0\0\x2a").position == len(found.payload)
        number += 1
    assert number


def cuts(found: Sample) -> list[int]:
    """Lengths to cut at: all of a small section, else all outside of the middle of big arrays."""
    if COMPLETE or len(found.payload) < 4096:
        return list(range(len(found.payload)))
    return telling_offsets(found)


@each_section
def test_on_every_truncation(which: str) -> None:
    found = section(which)
    codes = Counter(agree(found.program, found.payload[:length]).code for length in cuts(found))
    # A cut between two subsections is a whole section: the engine cannot know that more was to come.
    assert set(codes) <= {Code.TRUNCATED, Code.OK}
    assert codes[Code.TRUNCATED] > 10 * codes[Code.OK]


@each_section
def test_on_single_flipped_bits(which: str) -> None:
    found = section(which)
    places = [8 * offset + bit for offset in telling_offsets(found) for bit in range(8)]
    if not COMPLETE and len(places) > FLIPS:
        places = random.Random(which).sample(places, FLIPS)
    codes: Counter[int] = Counter()
    for place in places:
        damaged = bytearray(found.payload)
        damaged[place // 8] ^= 1 << place % 8
        codes[agree(found.program, bytes(damaged)).code] += 1
    assert codes[Code.OK]
    assert not {Code.BAD_PROGRAM, Code.BAD_RECORD, Code.COUNT_MISMATCH, Code.TOO_DEEP} & set(codes)


@each_section
def test_on_a_record_buffer_that_is_too_small(which: str) -> None:
    found = section(which)
    needed = agree(found.program, found.payload).used
    for room in {0, 1, found.program.flat.record_bytes - 1, needed // 2, needed - 8, needed - 1}:
        result = agree(found.program, found.payload, room=max(room, 0))
        assert result.code == Code.NO_ROOM
        assert room < result.expected <= needed
    assert agree(found.program, found.payload, room=needed).code == Code.OK


@each_section
def test_the_errors_in_words_are_the_same(which: str) -> None:
    found = section(which)
    for length in cuts(found)[:: max(1, len(cuts(found)) // 60)]:
        damaged = bytearray(found.payload)
        damaged[length] ^= 0xFF
        for data in (found.payload[:length], bytes(damaged)):
            texts = {str(found.program.load(data, engine=name).error) for name in engines()}
            assert len(texts) == 1
