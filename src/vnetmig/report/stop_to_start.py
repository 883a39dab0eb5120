"""The guest's downtime on the clock, and the phases it is made of.

Knows the source's states and the checkpoints of both sides (of one host: they compare no further). Nanoseconds.
"""

from __future__ import annotations

from typing import Final

from vnetmig.migration.source_states import State
from vnetmig.migration.timeline import Timeline

PHASES: Final[dict[str, tuple[State, ...]]] = {
    "stop": (State.SWITCHOVER,),
    "save": (State.COMPLETE_ITERABLE, State.COMPLETE),
    "verify": (State.ASK, State.VERIFY, State.RESEND),
}
"""Of the source, in order; what is left of the downtime is the start."""

START: Final = "start"


def stop_to_start(line: Timeline) -> dict[str, int] | None:
    """Phase -> nanoseconds; None when a checkpoint is missing. Without the hand-over nothing is verified before the
    start, and the two are one.

    ``verify`` is the destination's time too: it loads what is still on its way, and saves all of it again.
    """
    whole = line.downtime_ns
    if whole is None:
        return None
    took = {state: 0 for states in PHASES.values() for state in states}
    for phase in line.phases:
        state = State(phase.name)
        if state in took:
            took[state] += phase.nanoseconds
    found = {name: sum(took[state] for state in states) for name, states in PHASES.items()}
    found[START] = max(0, whole - sum(found.values()))
    return found
