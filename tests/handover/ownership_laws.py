"""Who may have the machine when: the laws of every world, and the table of how a migration may end.

Ends with the hand-over. Rows: the source; columns: the destination. "crashed, owning": before START was sent.

|                  | runs | in doubt | nothing | crashed before it ran | crashed after |
|------------------|------|----------|---------|-----------------------|---------------|
| keeps it         | no   | yes      | yes     | yes                   | no            |
| has given it     | yes  | no       | no      | no                    | yes           |
| in doubt         | yes  | yes      | no      | yes                   | yes           |
| crashed, owning  | no   | yes      | yes     | yes                   | no            |
| crashed, given   | yes  | yes      | no      | yes                   | yes           |

So whenever one side survives, the machine is with it (it runs, or is in doubt with the complete state), but for the
machine that dies with its only owner. A destination to which START arrived runs; one to which it did not, never.

Without the hand-over, as between two stock QEMUs, the destination is never in doubt and starts at the end of the
stream, and the source is in doubt from its last byte on; a source that crashes then may take the machine with it.

|                  | runs | in doubt | nothing | crashed before it ran | crashed after |
|------------------|------|----------|---------|-----------------------|---------------|
| keeps it         | no   | no       | yes     | yes                   | no            |
| has given it     | yes  | no       | no      | no                    | yes           |
| in doubt         | yes  | no       | yes     | yes                   | yes           |
| crashed, owning  | no   | no       | yes     | yes                   | no            |
| crashed, given   | yes  | no       | yes     | yes                   | yes           |

A doubt is resolved when the channel is closed and the other side has come to its end, or is dead: nothing may be in
flight any more that could still start it.

Knows what the sides look like; knows not how they got there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from replayed_sides import Case, DestinationView, SourceView
from worlds import World

from vnetmig.migration.destination_states import Phase

Ends = frozenset[tuple[str, str]]

WITH_HANDOVER: Final[Ends] = frozenset(
    (source, destination)
    for source, destinations in {
        "keeps it": ("in doubt", "nothing", "crashed before it ran"),
        "has given it": ("runs", "crashed after"),
        "in doubt": ("runs", "in doubt", "crashed before it ran", "crashed after"),
        "crashed, owning": ("in doubt", "nothing", "crashed before it ran"),
        "crashed, given": ("runs", "in doubt", "crashed before it ran", "crashed after"),
    }.items()
    for destination in destinations
)

WITHOUT: Final[Ends] = frozenset(
    (source, destination)
    for source, destinations in {
        "keeps it": ("nothing", "crashed before it ran"),
        "has given it": ("runs", "crashed after"),
        "in doubt": ("runs", "nothing", "crashed before it ran", "crashed after"),
        "crashed, owning": ("nothing", "crashed before it ran"),
        "crashed, given": ("runs", "nothing", "crashed before it ran", "crashed after"),
    }.items()
    for destination in destinations
)


def broken(case: Case, world: World, source: SourceView, destination: DestinationView) -> Iterator[str]:
    """The laws of every world in which nobody has resolved anything."""
    yield from doubled(world, source, destination)
    if destination.starts and source.owner == "source":
        yield "the guest was started there while it belonged to the source"
    if source.owner == "destination" and (not destination.starts or source.calls[-1] != "release"):
        yield "the source has given away what never ran there, or has not let it go"
    if destination.owner == "in-doubt" and not destination.same:
        yield "the destination waits for START with something else than the source had"
    delivered = source.given is not None and destination.heard.size >= source.given
    if case.asks and destination.starts and not delivered:
        yield "the destination started without START"
    if case.asks and delivered and not destination.starts and case.fails != "start":
        yield "START arrived, and the destination does not run"


def doubled(world: World, source: SourceView, destination: DestinationView) -> Iterator[str]:
    """The laws of every world."""
    if source.runs and destination.runs and world.source_lives and world.destination_lives:
        yield "both sides run the guest"
    if source.raised.count(":") or destination.raised.count(":"):
        yield f"a side fails: {source.raised or destination.raised}"
    # A side that must not run it.
    if source.runs and source.owner != "source":
        yield f"the source runs the guest, and says that the owner is '{source.owner}'"
    if destination.runs != (destination.owner == "destination"):
        yield f"the destination says that the owner is '{destination.owner}', and runs: {destination.runs}"
    if source.over and source.owner == "source" and not source.runs:
        yield "the source owns the machine and does not let it run"
    # A device that is half applied.
    if destination.wrong:
        yield f"the destination's machine: {destination.wrong[0]}"
    if destination.phase is Phase.FAILED and destination.holds:
        yield "the destination failed and still holds a state"
    if destination.runs and not destination.same:
        yield "what runs at the destination is not what the source had"
    # Hooks.
    if source.over != (source.cleaned_up == 1) or source.cleaned_up > 1:
        yield f"save_cleanup was called {source.cleaned_up} times"
    if destination.cleaned_up > destination.set_up or (
        destination.over and destination.cleaned_up != destination.set_up
    ):
        yield f"load_setup was called {destination.set_up} times, load_cleanup {destination.cleaned_up} times"


def end_of(world: World, source: SourceView, destination: DestinationView) -> tuple[str, str]:
    """How it ended, in the words of the table."""
    return _source_end(world, source), _destination_end(world, destination)


def broken_at_the_end(case: Case, world: World, source: SourceView, destination: DestinationView) -> Iterator[str]:
    """The laws of a world in which nothing more happens by itself."""
    if (world.source_lives and not source.over) or (world.destination_lives and not destination.over):
        yield f"both wait for ever: source '{source.state.value}', destination '{destination.phase.value}'"
        return
    end = end_of(world, source, destination)
    if end not in (WITH_HANDOVER if case.asks else WITHOUT):
        yield f"an end that must not be: the source {end[0]}, the destination {end[1]}"
    if end == ("keeps it", "in doubt") and destination.heard == source.said:
        yield "the destination was told that the source keeps the machine, and is in doubt"
    undisturbed = world.source_lives and world.destination_lives and world.there_open and world.back_open
    if undisturbed and world.cancels and not case.fails and end != ("has given it", "runs"):
        yield f"nothing disturbed it, and the source {end[0]}, the destination {end[1]}"


def survives(end: tuple[str, str]) -> bool:
    """Must the machine run somewhere when all doubts are ended? Else it died with its owner."""
    source, destination = end
    return source in ("keeps it", "in doubt") or destination in ("runs", "in doubt")


def _source_end(world: World, source: SourceView) -> str:
    if not world.source_lives:
        return "crashed, owning" if source.given is None else "crashed, given"
    return {"source": "keeps it", "destination": "has given it", "in-doubt": "in doubt"}[source.owner]


def _destination_end(world: World, destination: DestinationView) -> str:
    if not world.destination_lives:
        return "crashed after" if destination.starts else "crashed before it ran"
    return {"source": "nothing", "destination": "runs", "in-doubt": "in doubt"}[destination.owner]
