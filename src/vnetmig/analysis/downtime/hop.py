"""One migration: what its source and its destination logged, and what lies between their checkpoints.

Knows sides; reads no file. Microseconds. Checkpoints of both sides compare only when both hosts have one clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vnetmig.analysis.downtime.side import Role, Side

#  name                                         from                  to
INTERVALS: Final[dict[str, tuple[str, str]]] = {
    "RAM saved -> destination loaded": ("src-iterable-saved", "dst-precopy-loadvm-completed"),
    "RAM saved -> guest runs": ("src-iterable-saved", "dst-precopy-bh-vm-started"),
    "guest stopped -> guest runs": ("src-vm-stopped", "dst-precopy-bh-vm-started"),
    "whole downtime": ("src-downtime-start", "dst-precopy-bh-vm-started"),
}
BLACKOUT: Final = "guest stopped -> guest runs"


@dataclass(frozen=True)
class Hop:
    """``number`` counts within its ``series``; ``block`` is its pair, when arms took turns in blocks. ``told``: figures
    of query-migrate, milliseconds."""

    series: str
    number: int
    arm: str
    source: Side | None
    destination: Side | None
    block: int | None = None
    told: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.series} #{self.number}"

    def side(self, role: Role) -> Side | None:
        return self.source if role is Role.SOURCE else self.destination

    def at(self, checkpoint: str) -> int | None:
        side = self.source if checkpoint.startswith("src-") else self.destination
        return None if side is None else side.at(checkpoint)

    @property
    def clocks_differ(self) -> bool:
        """Does it end before it begins? Then the hosts' clocks are apart, and nothing is known between the sides."""
        return any((took := self._between(interval)) is not None and took < 0 for interval in INTERVALS)

    def between(self, interval: str) -> int | None:
        return None if self.clocks_differ else self._between(interval)

    def _between(self, interval: str) -> int | None:
        start, end = (self.at(checkpoint) for checkpoint in INTERVALS[interval])
        return None if start is None or end is None else end - start
