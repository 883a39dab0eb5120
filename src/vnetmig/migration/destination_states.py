"""The order in which a stream may reach a destination, as a table.

Knows which turn leads where; knows no bytes.
"""

from __future__ import annotations

import enum
from typing import Final


class Phase(enum.Enum):
    SETUP = "setup"
    ITERATE = "iterate"
    COMPLETE = "complete"
    LOADED = "loaded"
    DONE = "done"
    FAILED = "failed"


class Turn(enum.Enum):
    START = "a START section"
    PART = "a PART section"
    END = "an END section"
    FULL = "a FULL section"
    SWITCHOVER = "the guest has stopped"
    ENDED = "the stream has ended"
    SAVED = "all is saved again"
    FAULT = "something is wrong"


TRANSITIONS: Final[dict[tuple[Phase, Turn], Phase]] = {
    (Phase.SETUP, Turn.START): Phase.SETUP,
    (Phase.SETUP, Turn.FULL): Phase.SETUP,
    (Phase.SETUP, Turn.PART): Phase.ITERATE,
    (Phase.SETUP, Turn.END): Phase.COMPLETE,
    (Phase.SETUP, Turn.SWITCHOVER): Phase.COMPLETE,
    (Phase.SETUP, Turn.ENDED): Phase.LOADED,
    (Phase.ITERATE, Turn.START): Phase.ITERATE,
    (Phase.ITERATE, Turn.PART): Phase.ITERATE,
    (Phase.ITERATE, Turn.SWITCHOVER): Phase.COMPLETE,
    (Phase.ITERATE, Turn.END): Phase.COMPLETE,
    (Phase.ITERATE, Turn.FULL): Phase.COMPLETE,
    (Phase.ITERATE, Turn.ENDED): Phase.LOADED,
    (Phase.COMPLETE, Turn.START): Phase.COMPLETE,
    (Phase.COMPLETE, Turn.PART): Phase.COMPLETE,  # postcopy: RAM goes on behind the devices
    (Phase.COMPLETE, Turn.END): Phase.COMPLETE,
    (Phase.COMPLETE, Turn.FULL): Phase.COMPLETE,
    (Phase.COMPLETE, Turn.SWITCHOVER): Phase.COMPLETE,
    (Phase.COMPLETE, Turn.ENDED): Phase.LOADED,
    (Phase.LOADED, Turn.SAVED): Phase.DONE,
    **{(phase, Turn.FAULT): Phase.FAILED for phase in Phase if phase not in (Phase.DONE, Phase.FAILED)},
}
