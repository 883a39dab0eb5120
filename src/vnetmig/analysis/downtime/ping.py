"""`ping -D`: when the guest's network was dark, as somebody outside saw it.

Knows iputils' lines; knows no migration. Microseconds since the epoch, by the clock of the host that pinged.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import IO, Final

from vnetmig.errors import StreamError

REPLIES_MAX: Final = 1 << 22
_LINE_MAX = 512
_HALF = 1 << 15

# iputils: ping/ping.c and ping_common.c (gather_statistics); "no answer yet" is -O's and is told by the gap as well
_REPLY = re.compile(
    rb"\[(\d{1,11})\.(\d{6})\] \d{1,6} bytes from [^\n]*?icmp_seq=(\d{1,5})\b"
    rb"(?:[^\n]*?\btime=(\d{1,9}(?:\.\d{1,6})?) ms)?"
)

DARK = 1.5
"""Replies further apart than so many intervals: at least one is missing, or came late."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Between the ``last`` reply and the ``next`` one; the network was down for some of it, to within ``resolution`` at
    each end. ``lost``: requests in between that were never answered."""

    last: int
    next: int
    lost: int
    resolution: int

    @property
    def length(self) -> int:
        return self.next - self.last


@dataclass(frozen=True)
class Ping:
    """``interval``: between two requests; 0 with fewer than two replies."""

    replies: int
    first: int
    last: int
    interval: int
    outages: tuple[Outage, ...]


def read_ping(file: IO[bytes], name: str = "ping") -> Ping:
    """StreamError when there is no reply with a time in it.

    >>> from io import BytesIO
    >>> line = "[1795421112.{0}00000] 64 bytes from 10.0.0.2: icmp_seq={0} ttl=64 time=0.5 ms\\n"
    >>> text = "".join(line.format(number) for number in (1, 2, 3, 7, 8))
    >>> [(outage.length, outage.lost) for outage in read_ping(BytesIO(text.encode())).outages]
    [(400000, 3)]
    """
    came, sent, sequence = array("q"), array("q"), array("q")
    for when, number, round_trip in _replies(file):
        if sequence and number == sequence[-1]:
            continue  # DUP!
        if len(came) == REPLIES_MAX:
            raise StreamError(f"{name}: no output of ping -D", expected=f"at most {REPLIES_MAX} replies", got="more")
        came.append(when)
        sent.append(when - round_trip)
        sequence.append(number)
    if not came:
        raise StreamError(
            f"{name}: no output of ping -D",
            expected="lines such as '[1795421112.547985] 64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.5 ms'",
            got="none",
            hint="ping -D prints the times; -i 0.01 as root makes them fine",
        )
    interval = _interval(sent, sequence)
    return Ping(len(came), came[0], max(came), interval, tuple(_outages(came, sequence, interval)))


def _replies(file: IO[bytes]) -> Iterator[tuple[int, int, int]]:
    """(when it came, number, round trip)."""
    last = -1
    while line := file.readline(_LINE_MAX):
        found = _REPLY.search(line)
        if found is not None:
            # 16 bits on the wire, which iputils prints
            number = last + (int(found[3]) - last + _HALF) % (2 * _HALF) - _HALF if last >= 0 else int(found[3])
            last = max(last, number)
            yield int(found[1]) * 1_000_000 + int(found[2]), number, round(1000 * float(found[4] or 0))


def _interval(sent: array[int], sequence: array[int]) -> int:
    steps = [
        (sent[place] - sent[place - 1]) // (sequence[place] - sequence[place - 1])
        for place in range(1, len(sent))
        if sequence[place] > sequence[place - 1]
    ]
    return max(0, median_low(steps)) if steps else 0


def _outages(came: array[int], sequence: array[int], interval: int) -> Iterator[Outage]:
    order = sorted(range(len(came)), key=came.__getitem__)
    answered = sorted(sequence)
    for before, after in pairwise(order):
        if came[after] - came[before] > DARK * max(1, interval):
            first, last = sequence[before], sequence[after]
            # what was answered at another time was late, not lost
            late = max(0, bisect_left(answered, last) - bisect_right(answered, first))
            yield Outage(came[before], came[after], max(0, last - first - 1 - late), interval)
