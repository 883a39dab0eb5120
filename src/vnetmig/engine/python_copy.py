"""The byte-order copy of the portable engine: what csrc/copy.c does, without touching bytes one by one.

Knows runs of integers only. Loading and saving are the same copy, since exchanging the order of an integer's bytes is
its own inverse. Three ways, the quickest that fits: a slice where nothing changes, ``array.byteswap`` for many
neighbours of one width, and ``bytes.translate`` for the rest. That maps byte values through a table of 256; with the
data as the table and positions as the values it puts up to 256 bytes in any order in one call.
"""

from __future__ import annotations

import sys
from array import array

from vnetmig.engine.code import LITTLE

Source = bytes | bytearray | memoryview

_TABLE = 256
_PADDING = bytes(2 * _TABLE)
"""What has to stand behind the data, so that every table is whole, in a last group that is not whole too."""
_MANY_PLAIN, _MANY_SWAPPED = 64, 512
"""Bytes of neighbours of one width from which a step of their own pays."""
_WORDS = {2: "H", 4: "I", 8: "Q"}
_PLAIN = LITTLE if sys.byteorder == "little" else 0

# A step: (first byte, number of bytes, positions for translate or b"", array type for byteswap or "").
_Step = tuple[int, int, bytes, str]


def _swapped(kind: int) -> bool:
    return kind & ~LITTLE != 1 and kind & LITTLE != _PLAIN


class Copy:
    """The copy over the runs of one op; ``size`` bytes in one pass."""

    def __init__(self, runs: tuple[tuple[int, int], ...]) -> None:
        self.size = sum((kind & ~LITTLE) * count for kind, count in runs)
        self.plain = not any(_swapped(kind) and count for kind, count in runs)
        self._word = _WORDS[runs[0][0] & ~LITTLE] if len(runs) == 1 and not self.plain else ""
        group = max(_TABLE // self.size, 1) if self.size else 1
        self._stride = group * self.size
        self._steps = [] if self.plain or self._word else _steps(runs * group)
        self._positions = self._steps[0][2] if len(self._steps) == 1 else b""

    def copy(self, source: Source, at: int, passes: int) -> bytes:
        """``passes`` passes over the runs from ``source[at:]``, which must hold them."""
        end = at + passes * self.size
        if self.plain:
            return bytes(source[at:end])
        if self._word:
            return _swap(source[at:end], self._word)
        if len(source) - end < len(_PADDING):
            source = b"".join((source[at:end], _PADDING))
            at, end = 0, end - at
        stride, positions = self._stride, self._positions
        last = end - (end - at) % stride
        if positions:
            parts: list[Source] = [
                positions.translate(source[base : base + _TABLE]) for base in range(at, last, stride)
            ]
        else:
            parts = [part for base in range(at, last, stride) for part in self._group(source, base)]
        if last < end:
            parts.append(b"".join(self._group(source, last))[: end - last])
        return b"".join(parts)

    def _group(self, source: Source, base: int) -> list[Source]:
        """The steps from ``base`` on."""
        return [
            positions.translate(source[base + start : base + start + _TABLE])
            if positions
            else _swap(source[base + start : base + start + size], word)
            if word
            else source[base + start : base + start + size]
            for start, size, positions, word in self._steps
        ]


def _swap(data: Source, word: str) -> bytes:
    words = array(word)
    words.frombytes(data)
    words.byteswap()
    return words.tobytes()


def _steps(runs: tuple[tuple[int, int], ...]) -> list[_Step]:
    """Steps that cover ``runs`` in order."""
    steps: list[_Step] = []
    positions = bytearray()
    at = 0

    def close() -> None:
        if positions:
            steps.append((at - len(positions), len(positions), bytes(positions), ""))
            positions.clear()

    for kind, count, swapped in _joined(runs):
        width = kind & ~LITTLE
        if width * count >= (_MANY_SWAPPED if swapped else _MANY_PLAIN):
            close()
            steps.append((at, width * count, b"", _WORDS[width] if swapped else ""))
            at += width * count
            continue
        for _ in range(count):
            if len(positions) + width > _TABLE:
                close()
            inside = range(len(positions), len(positions) + width)
            positions += bytes(reversed(inside) if swapped else inside)
            at += width
    close()
    return steps


def _joined(runs: tuple[tuple[int, int], ...]) -> list[tuple[int, int, bool]]:
    """(kind, count, swapped) with neighbours that are copied as they are made one run of bytes."""
    joined: list[tuple[int, int, bool]] = []
    for kind, count in runs:
        if _swapped(kind):
            joined.append((kind, count, True))
        elif joined and not joined[-1][2]:
            joined[-1] = (1, joined[-1][1] + (kind & ~LITTLE) * count, False)
        else:
            joined.append((1, (kind & ~LITTLE) * count, False))
    return joined
