"""The byte-order copy of the portable engine: what csrc/copy.c does, without touching bytes one by one.

Knows runs of integers only. Loading and saving are the same copy, since exchanging the order of an integer's bytes is
its own inverse. Three ways, the quickest that fits: a slice where nothing changes, ``array.byteswap`` for many neighbours
of one width, and ``bytes.translate`` for the rest. That maps byte values through a table of 256; with the data as the
table and positions as the values it puts up to 256 bytes in any order in one call.
"""

from __future__ import annotations

import sys
from array import array

from vnetmig.engine.code import LITTLE

Source = bytes | bytearray | memoryview

_TABLE = 256
_MANY = 64
"""Bytes of neighbours of one width from which a step of their own pays."""
_WORDS = {2: "H", 4: "I", 8: "Q"}
_PLAIN = LITTLE if sys.byteorder == "little" else 0

# A step: (first byte, number of bytes, positions for translate or b"", array type for byteswap or "").
_Step = tuple[int, int, bytes, str]


def _swapped(kind: int) -> bool:
    return kind != 1 and kind & LITTLE != _PLAIN


class Copy:
    """The copy over the runs of one op; ``size`` bytes in one pass."""

    def __init__(self, runs: tuple[tuple[int, int], ...]) -> None:
        self.size = sum((kind & ~LITTLE) * count for kind, count in runs)
        self.plain = not any(_swapped(kind) for kind, _ in runs)
        self._word = _WORDS[runs[0][0] & ~LITTLE] if len(runs) == 1 and not self.plain else ""
        self._group = max(_TABLE // self.size, 1) if self.size else 1
        self._steps = [] if self.plain or self._word else _steps(runs * self._group)

    def copy(self, source: Source, at: int, passes: int) -> bytes:
        """``passes`` passes over the runs from ``source[at:]``, which must hold them."""
        end = at + passes * self.size
        if self.plain:
            return bytes(source[at:end])
        if self._word:
            return _swap(source[at:end], self._word)
        parts: list[Source] = []
        with memoryview(source) as view:
            for base in range(at, end, self._group * self.size):
                for start, size, positions, word in self._steps:
                    start += base
                    if start >= end:  # the last group may be a part of one
                        break
                    if positions:
                        table: Source = view[start : start + _TABLE]
                        if len(table) < _TABLE:
                            table = bytes(table).ljust(_TABLE, b"\0")
                        if start + size > end:
                            positions = positions[: end - start]
                        parts.append(positions.translate(table))
                    elif word:
                        parts.append(_swap(view[start : min(start + size, end)], word))
                    else:
                        parts.append(bytes(view[start : min(start + size, end)]))
            return b"".join(parts)


def _swap(data: Source, word: str) -> bytes:
    words = array(word, bytes(data))
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
        if width * count >= _MANY:
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
