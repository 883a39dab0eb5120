"""The guest's blackout beside the network's outage, on one time line.

Knows hops and what a ping saw; they meet on the wall clock, so all hosts must have the same one (NTP, or one machine).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vnetmig.analysis.downtime.hop import BLACKOUT, INTERVALS, Hop
from vnetmig.analysis.downtime.ping import Outage, Ping


@dataclass(frozen=True, slots=True)
class Dark:
    """One migration: the guest stood still from ``stopped`` to ``started``; ``outage`` is the longest that the ping saw
    around it, None when every request was answered in time. Microseconds, of the wall clock."""

    hop: int
    stopped: int
    started: int
    outage: Outage | None

    @property
    def blackout(self) -> int:
        return self.started - self.stopped

    @property
    def afterwards(self) -> int | None:
        """From the guest's start to the first reply: announcement and learning in the network, mostly."""
        return None if self.outage is None else self.outage.next - self.started


def darks(hops: Sequence[Hop], ping: Ping) -> Iterator[Dark]:
    """Of each hop that has both checkpoints with their times, and lies within what the ping covers."""
    first, last = INTERVALS[BLACKOUT]
    for number, hop in enumerate(hops):
        stopped, started = hop.at(first), hop.at(last)
        if stopped is None or started is None or hop.clocks_differ or not ping.first <= stopped <= ping.last:
            continue
        during = [outage for outage in ping.outages if outage.last <= started and outage.next >= stopped]
        yield Dark(number, stopped, started, max(during, key=lambda outage: outage.length, default=None))
