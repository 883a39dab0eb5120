"""A device that does not go as it is: what stands in the place of its section, early and at the end.

Knows which frame a mode wants; the frames are tentative_state.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vnetmig.migration.tentative_state import SentState, Snapshot
from vnetmig.stream.tentative import FLAG_NAMES, Frame


@dataclass(slots=True)
class FinalFrame:
    """``make`` is one of the frames of ``sent``. ``last``: the frame that was made for this migration, if any."""

    sent: SentState
    make: Callable[[Snapshot], Frame]
    early: bool = False
    last: Frame | None = None

    def save(self, *, engine: str | None = None) -> bytes:
        """The payload of the section."""
        return self.save_frame()[0]

    def save_frame(self) -> tuple[bytes, bytes]:
        """(payload, the whole state that the destination then holds)."""
        snapshot = self.sent.stopped()
        self.last = self.make(snapshot)
        return self.last.encode(), snapshot.data

    def save_whole(self) -> tuple[bytes, bytes]:
        """The same without a base, for a destination that asks for it."""
        self.sent.forget()
        snapshot = self.sent.stopped()
        self.last = self.sent.whole(snapshot)
        return self.last.encode(), snapshot.data

    @property
    def form(self) -> str:
        """The name of the frame's flag; empty before it was made."""
        return FLAG_NAMES[self.last.flag] if self.last is not None else ""


@dataclass(slots=True)
class EarlyState:
    """A device's state as an early_setup section: its plain bytes, kept to compare with."""

    sent: SentState
    early: bool = True

    def save(self, *, engine: str | None = None) -> bytes:
        snapshot = self.sent.running()
        self.sent.hold(snapshot)
        return snapshot.data
