"""The order in which a stream may reach a destination, and who owns the machine in each phase, as tables.

Rule 1: a destination that has not heard START does not run; one that holds everything and loses the source in that
moment is in doubt: paused, with the complete state. Rule 2: one that heard DISCARD, or could not load, holds nothing.
Rule 3: in doubt, only someone who sees both sides resolves it (START, DISCARD). Without the hand-over the end of the
stream is START.

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
    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    IN_DOUBT = "in doubt"


class Turn(enum.Enum):
    START = "a START section"
    PART = "a PART section"
    END = "an END section"
    FULL = "a FULL section"
    SWITCHOVER = "the guest has stopped"
    ENDED = "the stream has ended"
    SAVED = "all is saved again"
    VERIFIED = "all is saved again, and the source is told"
    INCOMPLETE = "some devices are needed whole"
    GO = "the source gives the machine away"
    DISCARD = "the source keeps the machine"
    LOST = "the source is gone"
    FAULT = "something is wrong"


_LOADING = (Phase.SETUP, Phase.ITERATE, Phase.COMPLETE, Phase.LOADED)

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
    # without the hand-over: it starts by itself
    (Phase.LOADED, Turn.SAVED): Phase.DONE,
    # with it: it waits
    (Phase.LOADED, Turn.INCOMPLETE): Phase.LOADED,
    (Phase.LOADED, Turn.VERIFIED): Phase.HELD,
    (Phase.HELD, Turn.GO): Phase.DONE,
    (Phase.HELD, Turn.DISCARD): Phase.FAILED,
    (Phase.HELD, Turn.LOST): Phase.IN_DOUBT,
    (Phase.HELD, Turn.FAULT): Phase.IN_DOUBT,  # bytes that are no message: the state is whole all the same
    # by hand
    (Phase.IN_DOUBT, Turn.GO): Phase.DONE,
    (Phase.IN_DOUBT, Turn.DISCARD): Phase.FAILED,
    **{(phase, turn): Phase.FAILED for phase in _LOADING for turn in (Turn.FAULT, Turn.LOST)},
    (Phase.LOADED, Turn.DISCARD): Phase.FAILED,
}

FINAL: Final = frozenset({Phase.DONE, Phase.FAILED, Phase.IN_DOUBT})

OWNERS: Final[dict[Phase, str]] = {
    Phase.DONE: "destination",
    Phase.HELD: "in-doubt",
    Phase.IN_DOUBT: "in-doubt",
}
"""Who owns the machine, as far as this side can know; in every other phase it is not this one: the source does."""
