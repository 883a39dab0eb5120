"""Where a file has no data: its bytes are zero there, and nobody needs to look.

Knows spans of offsets; opens no file. A file of guest memory is mostly such spans, and to look at them costs as much as
to read them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final


class Holes:
    """``spans``: (first byte, behind the last) of each, in order.

    >>> holes = Holes([(10, 20), (30, 40)])
    >>> holes.cover(10, 20), holes.cover(15, 31)
    (True, False)
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        kept = list(spans)
        self._starts = [start for start, _ in kept]
        self._ends = [end for _, end in kept]

    def cover(self, start: int, end: int) -> bool:
        """Are the bytes from ``start`` to ``end`` all in one hole?"""
        at = bisect_right(self._starts, start) - 1
        return at >= 0 and end <= self._ends[at]


NONE: Final = Holes()
