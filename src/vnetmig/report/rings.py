"""What loading a device's rings would come to, queue by queue.

Knows the verdicts of virtio.rings and puts them in words; reads no memory itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.engine.rings import Verdict
from vnetmig.report.blocks import Table, columns
from vnetmig.report.json import Json
from vnetmig.virtio.rings import RingState, check_rings

WORDS = {
    Verdict.OK: "ok",
    Verdict.NO_RINGS: "not set up",
    Verdict.NOT_CHECKED: "not checked",
    Verdict.INCONSISTENT: "loads, device broken",
    Verdict.OVERUSED: "load fails",
    Verdict.BAD_ADDRESS: "load fails",
}


def ring_states(stream: Stream, section: Section) -> Sequence[RingState]:
    """The rings of the virtio device in ``section``, with the memory that came with the stream."""
    state = section.state
    if state is None or "num_queues" not in state.record:
        return ()
    return check_rings(state.record, stream.memory, stream.engine)


def rings_table(stream: Stream, states: Sequence[RingState]) -> Table:
    """One row per queue; queues that no driver has set up are counted below."""
    table = Table(
        "rings",
        columns(">queue", ">num", ">avail_idx", ">last_avail_idx", ">used_idx", ">in flight", ">vector", "verdict"),
    )
    unused = 0
    for ring in states:
        if ring.verdict == Verdict.NO_RINGS:
            unused += 1
            continue
        queue = ring.queue
        numbers = (queue.num, ring.avail_idx, queue.last_avail_idx, ring.used_idx, ring.inuse)
        vector = "none" if queue.vector == 0xFFFF else _number(queue.vector)
        verdict = WORDS[ring.verdict] + (f": {ring.message}" if ring.message else "")
        table.rows.append((str(ring.index), *map(_number, numbers), vector, verdict))
    if unused:
        table.notes.append(f"{unused} queues not set up")
    memory = stream.memory
    table.notes.append(f"guest memory: {memory.origin if memory is not None else 'not given (--memory FILE)'}")
    return table


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def rings_json(states: Sequence[RingState]) -> Iterator[Json]:
    for ring in states:
        queue = ring.queue
        yield {
            "queue": ring.index,
            "num": queue.num,
            "desc": queue.desc,
            "avail": queue.avail,
            "used": queue.used,
            "packed": queue.packed,
            "vector": queue.vector,
            "last_avail_idx": queue.last_avail_idx,
            "avail_idx": ring.avail_idx,
            "used_idx": ring.used_idx,
            "inuse": ring.inuse,
            "verdict": ring.verdict.name.lower(),
            "message": ring.message,
        }
