"""One side of one migration, as its log tells it: what each section took, and which checkpoints were passed.

Knows trace events that were read; knows neither files nor statistics. Microseconds. The numbers are kept as arrays and
the names once for all sides that have the same, so that thousands of migrations fit into memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from vnetmig.migration.trace import ITERABLE

NO_TIME = -1


class Role(Enum):
    SOURCE = "save"
    DESTINATION = "load"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One line's subject. ``kind``: `iterable` or `non-iterable`."""

    idstr: str
    instance_id: int
    kind: str

    @property
    def name(self) -> str:
        """
        >>> Entry("dma", 1, "non-iterable").name
        'dma#1'
        """
        return f"{self.idstr}#{self.instance_id}" if self.instance_id else self.idstr

    @property
    def is_ram(self) -> bool:
        """The last pass over RAM: it depends on what the guest wrote, and is no device's."""
        return self.idstr == "ram" and self.kind == ITERABLE


@dataclass(frozen=True)
class Side:
    """``took`` and ``when`` (the end of each, NO_TIME without timestamps) stand in ``entries``' order."""

    role: Role
    entries: tuple[Entry, ...]
    took: array[int]
    when: array[int]
    checkpoints: Mapping[str, int | None]

    @cached_property
    def early(self) -> int:
        """How many sections of the beginning were loaded while the guest still ran.

        An early_setup VMSD goes as SECTION_FULL while the migration is set up (qemu: include/migration/vmstate.h), and
        a destination traces every FULL section. With the guest stopped, what iterates comes first.
        """
        if self.role is Role.SOURCE:
            return 0
        return next((place for place, entry in enumerate(self.entries) if entry.kind == ITERABLE), 0)

    def stopped(self) -> Iterator[tuple[Entry, int]]:
        """What counts for the downtime, the last pass over RAM included."""
        return zip(self.entries[self.early :], self.took[self.early :], strict=True)

    def at(self, checkpoint: str) -> int | None:
        return self.checkpoints.get(checkpoint)

    @property
    def complete(self) -> bool:
        """Did this side get through? A log without checkpoints does not say that it did not."""
        last = "src-non-iterable-saved" if self.role is Role.SOURCE else "dst-precopy-loadvm-completed"
        return bool(self.entries) and (not self.checkpoints or last in self.checkpoints)
