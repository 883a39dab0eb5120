"""One run of `vnetmig migrate`: how the migration went, and how the guest fared on both sides of it.

Knows what makes a run a good one; measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vnetmig.migration.run import MigrationOutcome
from vnetmig.report.afterwards import Afterwards


@dataclass(frozen=True, slots=True)
class GuestHere:
    """The guest at the source: ``steps`` before the migration and while it went on, and packets ``in_flight`` (sent
    and not yet back) when it was stopped. ``failure``: what it found its device to do wrong."""

    before: int = 0
    meanwhile: int = 0
    in_flight: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """``here`` None: no guest. ``there`` None: the destination process did not say, and ``unheard`` tells why."""

    outcome: MigrationOutcome
    here: GuestHere | None = None
    there: Afterwards | None = None
    unheard: str | None = None

    @property
    def good(self) -> bool:
        """Completed, with a destination that holds what was sent, and a guest that went on."""
        return self.outcome.completed and not self.outcome.differences and not any(self.faults())

    def faults(self) -> Iterator[str]:
        """What went wrong beside the migration itself."""
        if self.here is not None and self.here.failure is not None:
            yield f"the guest failed at the source: {self.here.failure}"
        if not self.outcome.completed:
            return
        if self.unheard is not None:
            yield self.unheard
        if self.here is not None and self.there is not None:
            yield from self._guest_faults(self.here, self.there)

    def _guest_faults(self, here: GuestHere, there: Afterwards) -> Iterator[str]:
        guest = there.guest
        if guest is None:
            yield "no guest went on at the destination"
            return
        if guest.failure is not None:
            yield f"the guest failed at the destination: {guest.failure}"
        if guest.lost:
            yield f"{guest.lost} packets of the guest are lost"
        made, counted = here.before + here.meanwhile + guest.steps, guest.counters.get("steps")
        if guest.failure is None and made != counted:
            yield f"the guest made {made} steps on both sides together, and knows of {counted}"


Runs = Mapping[str, Sequence[Run]]
"""Mode -> its runs, in order."""


def complete(runs: Runs) -> bool:
    """Was every run a good one?"""
    return all(run.good for each in runs.values() for run in each)
