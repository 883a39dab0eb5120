"""The order of a migration at the source, and who owns the machine in each state, as tables.

Rule 1: before START is sent the machine belongs to the source, whatever the destination holds. Rule 2: a source that
has sent START, or (without the hand-over) the last byte of the stream, cannot know whether the destination runs: it is
in doubt until it hears of it, and stays paused. Rule 3: in doubt, only someone who sees both sides resolves it (KEEP,
GIVE).

Knows which turn leads where; knows no bytes.
"""

from __future__ import annotations

import enum
from typing import Final


class State(enum.Enum):
    HEADER = "header"
    SETUP = "setup"
    ITERATE = "iterate"
    FLUSH = "flush"
    ACK = "switchover ack"
    SWITCHOVER = "switchover"
    COMPLETE_ITERABLE = "complete, iterable"
    COMPLETE = "complete"
    CONFIRM = "confirm"
    ASK = "ask"
    VERIFY = "verify"
    RESEND = "resend"
    START = "start"
    STARTING = "starting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    IN_DOUBT = "in doubt"


class Turn(enum.Enum):
    OPENED = "header and configuration are written"
    SET_UP = "every handler has written its START"
    CONVERGED = "little enough is pending"
    FLUSHED = "what should be there before the guest stops is sent"
    ACKED = "the destination is prepared, or was not asked"
    STOPPED = "the guest has stopped"
    ITERABLE_SAVED = "every handler has written its END"
    HANDED_OVER = "all is written, and the destination starts by itself"
    WRITTEN = "all is written, and the destination waits"
    ASKED = "the destination is asked what it holds"
    NEEDED = "the destination needs whole states"
    RESENT = "they are written"
    CONFIRMED = "the destination holds the same"
    UNCONFIRMED = "nobody was asked to confirm"
    GIVEN = "START is written"
    STARTED = "the destination runs"
    DIFFERENT = "the destination holds something else"
    REFUSED = "the destination failed, and says so"
    LOST = "the destination is gone"
    ERROR = "saving failed"
    CANCEL = "the user does not want to"
    KEEP = "the machine is found not to run at the destination"
    GIVE = "the machine is found to run at the destination"


_WITH_THE_GUEST_RUNNING = (State.HEADER, State.SETUP, State.ITERATE, State.FLUSH, State.ACK)
_OWNING = (
    *_WITH_THE_GUEST_RUNNING,
    State.SWITCHOVER,
    State.COMPLETE_ITERABLE,
    State.COMPLETE,
    State.ASK,
    State.VERIFY,
    State.RESEND,
    State.START,
)

TRANSITIONS: Final[dict[tuple[State, Turn], State]] = {
    (State.HEADER, Turn.OPENED): State.SETUP,
    (State.SETUP, Turn.SET_UP): State.ITERATE,
    (State.ITERATE, Turn.CONVERGED): State.FLUSH,
    (State.FLUSH, Turn.FLUSHED): State.ACK,
    (State.ACK, Turn.ACKED): State.SWITCHOVER,
    (State.SWITCHOVER, Turn.STOPPED): State.COMPLETE_ITERABLE,
    (State.COMPLETE_ITERABLE, Turn.ITERABLE_SAVED): State.COMPLETE,
    # without the hand-over
    (State.COMPLETE, Turn.HANDED_OVER): State.CONFIRM,
    (State.CONFIRM, Turn.CONFIRMED): State.DONE,
    (State.CONFIRM, Turn.UNCONFIRMED): State.DONE,
    (State.CONFIRM, Turn.REFUSED): State.FAILED,
    (State.CONFIRM, Turn.DIFFERENT): State.IN_DOUBT,
    (State.CONFIRM, Turn.LOST): State.IN_DOUBT,
    # with it
    (State.COMPLETE, Turn.WRITTEN): State.ASK,
    (State.ASK, Turn.ASKED): State.VERIFY,
    (State.VERIFY, Turn.NEEDED): State.RESEND,
    (State.RESEND, Turn.RESENT): State.ASK,
    (State.VERIFY, Turn.CONFIRMED): State.START,
    (State.VERIFY, Turn.DIFFERENT): State.FAILED,
    (State.START, Turn.GIVEN): State.STARTING,
    (State.STARTING, Turn.STARTED): State.DONE,
    (State.STARTING, Turn.REFUSED): State.IN_DOUBT,  # START is out: what a destination says then proves nothing
    (State.STARTING, Turn.LOST): State.IN_DOUBT,
    # by hand
    (State.IN_DOUBT, Turn.KEEP): State.FAILED,
    (State.IN_DOUBT, Turn.GIVE): State.DONE,
    **{(state, turn): State.FAILED for state in _OWNING for turn in (Turn.ERROR, Turn.REFUSED, Turn.LOST)},
    **{(state, Turn.CANCEL): State.CANCELLED for state in _OWNING},
}

FINAL: Final = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.IN_DOUBT})

WAITING: Final = frozenset({State.ACK, State.CONFIRM, State.VERIFY, State.STARTING})
"""States in which the source may have nothing to send until it hears something."""

GUEST_RUNS: Final = frozenset(_WITH_THE_GUEST_RUNNING)
"""States in which the guest runs at the source."""

HOLDING: Final = frozenset({State.ASK, State.VERIFY, State.RESEND, State.START})
"""States in which the destination may hold everything: a source that gives up tells it to discard that."""

OWNERS: Final[dict[State, str]] = {
    State.DONE: "destination",
    State.CONFIRM: "in-doubt",
    State.STARTING: "in-doubt",
    State.IN_DOUBT: "in-doubt",
}
"""Who owns the machine; in every other state the source does."""
