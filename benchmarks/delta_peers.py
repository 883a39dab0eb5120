"""Other ways to tell what changed between two byte strings of one length, as people would write them.

``numpy``     the 64-bit words that differ, each with its index
``xor-zstd``  both strings XORed, compressed by zstd at level 1, where `zstandard` is installed
``bsdiff4``   the `bsdiff4` package's patch, where it is installed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class DeltaPeer(NamedTuple):
    make: Callable[[bytes, bytes], bytes]
    apply: Callable[[bytes, bytes], bytes]


def _whole_words(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def numpy_make(base: bytes, target: bytes) -> bytes:
    old, now = (np.frombuffer(_whole_words(data), np.uint64) for data in (base, target))
    where = np.flatnonzero(old != now)
    return where.astype(np.uint32).tobytes() + now[where].tobytes()


def numpy_apply(base: bytes, delta: bytes) -> bytes:
    words = np.frombuffer(_whole_words(base), np.uint64).copy()
    number = len(delta) // 12
    words[np.frombuffer(delta, np.uint32, number)] = np.frombuffer(delta[4 * number :], np.uint64)
    return words.tobytes()[: len(base)]


def _xor(old: bytes, now: bytes) -> bytes:
    return (np.frombuffer(old, np.uint8) ^ np.frombuffer(now, np.uint8)).tobytes()


def delta_peers() -> dict[str, DeltaPeer]:
    """Those that are installed."""
    found = {"numpy": DeltaPeer(numpy_make, numpy_apply)}
    try:
        import zstandard
    except ImportError:
        pass
    else:
        pack, unpack = zstandard.ZstdCompressor(level=1).compress, zstandard.ZstdDecompressor().decompress
        found["xor-zstd"] = DeltaPeer(
            lambda base, target: pack(_xor(base, target)), lambda base, delta: _xor(base, unpack(delta))
        )
    try:
        import bsdiff4
    except ImportError:
        pass
    else:
        found["bsdiff4"] = DeltaPeer(bsdiff4.diff, bsdiff4.patch)
    return found


DELTA_PEERS = ("numpy", "xor-zstd", "bsdiff4")
