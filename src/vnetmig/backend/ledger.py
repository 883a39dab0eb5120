"""What a backend did, when, and how long it took: the proof that early work is not done again.

Knows work items and counts; knows no backend.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from vnetmig.backend.work import WorkItem


class Phase(enum.Enum):
    PREPARE = "prepare"
    COMMIT = "commit"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Entry:
    """One item that was done. ``repeated``: its result was in force already, so it was done for nothing.

    ``nanoseconds`` is what it took, ``simulated`` the part of it that was made up. ``calls``: system calls.
    """

    phase: Phase
    item: WorkItem
    calls: int
    nanoseconds: int
    simulated: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of one phase; ``items`` and ``repeated`` are numbers of items."""

    items: int
    repeated: int
    calls: int
    nanoseconds: int
    simulated: int


class Ledger:
    """All entries of a backend's life, oldest first. Items that failed are not in it.

    >>> Ledger().totals(Phase.COMMIT).repeated
    0
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def record(self, entry: Entry) -> None:
        self._entries.append(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def items(self, phase: Phase) -> tuple[WorkItem, ...]:
        """What was done in ``phase``, in order."""
        return tuple(entry.item for entry in self._entries if entry.phase is phase)

    def totals(self, phase: Phase) -> Totals:
        entries = [entry for entry in self._entries if entry.phase is phase]
        return Totals(
            items=len(entries),
            repeated=sum(entry.repeated for entry in entries),
            calls=sum(entry.calls for entry in entries),
            nanoseconds=sum(entry.nanoseconds for entry in entries),
            simulated=sum(entry.simulated for entry in entries),
        )
