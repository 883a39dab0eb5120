"""virtio-net in stages, with deltas: the hooks of ``iterative-delta``.

START carries the whole state while the guest runs; a PART what changed since, if more than ring indices did; the
device's own FULL section at the end what changed in all. One device may send again ``resends`` times and no more bytes
than its first state had, so a guest that changes something all the time cannot keep the migration from ending. Knows
when something is sent again; the frames are tentative_state.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from vnetmig.migration.handlers import FINISHED, MORE, QuietHandlers, SaveFile
from vnetmig.migration.tentative_state import SentState, Snapshot
from vnetmig.stream.tentative import NO_STATE, Frame

IDSTR_SUFFIX: Final = "-delta"
SECTION_VERSION: Final = 1


@dataclass(slots=True)
class DeltaMigration:
    """The opaque of the hooks: one virtio-net. ``budget``: bytes that it may still send while the guest runs."""

    sent: SentState
    resends: int
    left: int = 0
    budget: int = 0
    snapshot: Snapshot | None = None
    announced: bool = False
    """There was something to send when it was last asked for how many bytes that is."""

    def due(self) -> Frame | None:
        """The frame for a change that should reach the destination before the guest stops; None when there is none, or
        when no more may be sent."""
        if self.left <= 0:
            return None
        snapshot = self.sent.running()
        if not self.sent.differs(snapshot):
            return None
        frame = self.sent.delta(snapshot)
        if len(frame.encode()) > self.budget:
            return None
        self.snapshot = snapshot
        return frame


class DeltaHandlers(QuietHandlers):
    """``opaque`` is a DeltaMigration."""

    __slots__ = ()

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        sent = opaque.sent
        snapshot = sent.running()
        payload = sent.whole(snapshot).encode()
        sent.hold(snapshot)
        opaque.left, opaque.budget = opaque.resends, len(payload)
        file.put_buffer(payload)
        return 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        frame, announced = opaque.due(), opaque.announced
        opaque.announced = False
        if frame is None:
            opaque.left -= announced  # a change that is taken back each time must not make rounds without end
            file.put_buffer(Frame(NO_STATE).encode())
            return FINISHED
        payload = frame.encode()
        opaque.sent.hold(opaque.snapshot, frame)
        opaque.sent.resends += 1
        opaque.left -= 1
        opaque.budget -= len(payload)
        file.put_buffer(payload)
        return MORE if opaque.left else FINISHED

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        file.put_buffer(Frame(NO_STATE).encode())
        return 0

    def state_pending_estimate(self, opaque: Any) -> int:
        frame = opaque.due()
        opaque.announced = frame is not None
        return len(frame.encode()) if frame is not None else 0

    def switchover_ack_needed(self, opaque: Any) -> bool:
        return True
