"""The order in which a backend may be asked, as a table.

Knows which turn leads where; knows no work.
"""

from __future__ import annotations

import enum
from typing import Final

from vnetmig.errors import MigrationError


class State(enum.Enum):
    IDLE = "idle"
    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"
    CLOSED = "closed"


class Turn(enum.Enum):
    PREPARE = "prepare"
    COMMIT = "commit"
    ABORT = "abort"
    CLOSE = "close"


TRANSITIONS: Final[dict[tuple[State, Turn], State]] = {
    (State.IDLE, Turn.PREPARE): State.PREPARED,
    (State.IDLE, Turn.COMMIT): State.COMMITTED,  # no early state came: all the work is done at switchover
    (State.IDLE, Turn.ABORT): State.ABORTED,
    (State.PREPARED, Turn.PREPARE): State.PREPARED,  # a later state, tentative too
    (State.PREPARED, Turn.COMMIT): State.COMMITTED,
    (State.PREPARED, Turn.ABORT): State.ABORTED,
    (State.COMMITTED, Turn.ABORT): State.ABORTED,  # the handover can still fail behind the last state
    (State.ABORTED, Turn.PREPARE): State.PREPARED,  # the next attempt
    (State.ABORTED, Turn.COMMIT): State.COMMITTED,
    (State.ABORTED, Turn.ABORT): State.ABORTED,
    (State.CLOSED, Turn.ABORT): State.CLOSED,  # nothing is left to undo
    **{(state, Turn.CLOSE): State.CLOSED for state in State},
}


def after(state: State, turn: Turn) -> State:
    """Where ``turn`` leads; a MigrationError where it cannot come."""
    try:
        return TRANSITIONS[state, turn]
    except KeyError:
        before = ", ".join(have.value for have, what in TRANSITIONS if what is turn)
        raise MigrationError(
            f"the backend cannot {turn.value} now\n  expected it to be one of: {before}; it is {state.value}"
        ) from None
