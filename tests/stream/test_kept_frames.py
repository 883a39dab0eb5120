"""Profilers and debuggers keep frames, and with them views of what is being read: reading goes on all the same."""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import vnetmig
from vnetmig.document.incoming import Incoming

STREAMS = Path(__file__).resolve().parent.parent / "streams"


@contextmanager
def frames_kept() -> Iterator[list[FrameType]]:
    """Every frame that begins stays, with its locals."""
    kept: list[FrameType] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: kept.append(frame) if event == "call" else None)
    try:
        yield kept
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("name", ["linux-multi-q72", "mapped-ram-fw-q111", "proxy-postcopy-fw-q111"])
def test_a_stream_loads_under_a_profiler(name: str) -> None:
    data = lzma.decompress((STREAMS / name / "stream.bin.xz").read_bytes())
    expected = vnetmig.load(data).encode()
    with frames_kept() as kept:
        stream = vnetmig.load(data)
    assert kept
    assert stream.encode() == expected


def test_a_stream_comes_in_pieces_under_a_profiler() -> None:
    data = lzma.decompress((STREAMS / "linux-multi-q72" / "stream.bin.xz").read_bytes())
    expected = vnetmig.load(data).encode()
    incoming = Incoming()
    with frames_kept() as kept:
        for at in range(0, len(data), 5000):
            incoming.feed(data[at : at + 5000])
        stream = incoming.close()
    assert kept
    assert stream.encode() == expected
