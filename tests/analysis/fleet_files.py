"""Folders of streams to check: good ones of several kinds, refused, broken and unreadable ones."""

from __future__ import annotations

import lzma
from functools import lru_cache
from pathlib import Path

import vnetmig

STREAMS = Path(__file__).resolve().parent.parent / "streams"
FIELD = b"cpu_ticks_offset"
NEEDS_RSS = 1 << 60
"""A feature that the destinations of these tests do not offer."""


@lru_cache(maxsize=1)
def sample_bytes() -> bytes:
    return lzma.decompress(vnetmig.sample())


@lru_cache(maxsize=64)
def of_kind(number: int) -> bytes:
    """The sample with a vmdescription of its own."""
    assert sample_bytes().count(FIELD) == 1
    return sample_bytes().replace(FIELD, b"cpu_ticks_of%04d" % number)


@lru_cache(maxsize=1)
def refused_bytes() -> bytes:
    """A stream that nobody takes: a queue selector that no device has."""
    stream = vnetmig.load(sample_bytes())
    stream.device("virtio-net")["queue_sel"] = 5000
    return stream.encode()


def fill(folder: Path, good: int) -> list[Path]:
    """``good`` streams of three kinds, and among them one refused, one cut off, one that is none, one that is not
    there."""
    for number in range(good):
        (folder / f"{number:04d}.qemu").write_bytes(of_kind(number % 3))
    (folder / "0001-refused.qemu").write_bytes(refused_bytes())
    (folder / "0002-cut.qemu").write_bytes(sample_bytes()[:300_000])
    (folder / "0003-none.qemu").write_bytes(b"hello")
    return sorted([*folder.iterdir(), folder / "0000-absent.qemu"])
