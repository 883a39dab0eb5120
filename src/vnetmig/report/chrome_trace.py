"""Migrations in the trace-event format that chrome://tracing and Perfetto read.

Knows hops and that format (JSON object form: complete events, instants, metadata); tests nothing. One process for each
side of each migration; the times are the logs' own, or, without timestamps, one section after the other from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.hop import Hop
from vnetmig.analysis.downtime.side import NO_TIME, Role, Side
from vnetmig.report.json import Json

CHECKPOINTS, ITERABLE_LANE, DEVICES = 0, 1, 2
_LANES = {CHECKPOINTS: "checkpoints", ITERABLE_LANE: "iterable", DEVICES: "devices"}
NETWORK = 1


def chrome_trace(found: Downtime) -> dict[str, Json]:
    """An object for ``report.json.pieces``; its events are made while it is written."""
    return {"traceEvents": _events(found), "displayTimeUnit": "ms", "otherData": {"generator": "vnetmig downtime"}}


def _events(found: Downtime) -> Iterator[Json]:
    base = _first(found.hops)
    for number, hop in enumerate(found.hops):
        for place, role in enumerate((Role.SOURCE, Role.DESTINATION)):
            side = hop.side(role)
            if side is not None:
                yield from _side(hop, side, 2 + 2 * number + place, base)
    if found.ping is not None:
        yield _named("process_name", NETWORK, 0, "network, as ping saw it")
        for outage in found.ping.outages:
            lost: Json = {"requests lost": outage.lost}
            yield _complete("outage", NETWORK, 0, outage.last - base, outage.length, lost)


def _side(hop: Hop, side: Side, process: int, base: int) -> Iterator[Json]:
    yield _named("process_name", process, 0, f"{hop.name} {hop.arm}: {side.role.name.lower()}")
    for lane, name in _LANES.items():
        yield _named("thread_name", process, lane, name)
    clock = 0
    for place, (entry, took, when) in enumerate(zip(side.entries, side.took, side.when, strict=True)):
        start = clock if when == NO_TIME else when - took - base
        clock += max(0, took)
        lane = ITERABLE_LANE if entry.kind == "iterable" else DEVICES
        about: Json = {"idstr": entry.idstr, "instance_id": entry.instance_id, "type": entry.kind}
        name = f"{side.role.value} {entry.name}" + (" (guest still runs)" if place < side.early else "")
        yield _complete(name, process, lane, start, max(0, took), about)
    for name, passed in side.checkpoints.items():
        if passed is not None:
            yield {"name": name, "ph": "i", "s": "p", "ts": passed - base, "pid": process, "tid": CHECKPOINTS}


def _first(hops: Sequence[Hop]) -> int:
    """Perfetto shows times since the epoch as decades: everything is told from the first event on."""
    starts = [
        when - took
        for hop in hops
        for side in (hop.source, hop.destination)
        if side is not None
        for took, when in zip(side.took, side.when, strict=True)
        if when != NO_TIME
    ]
    passed = [
        when
        for hop in hops
        for side in (hop.source, hop.destination)
        if side is not None
        for when in side.checkpoints.values()
        if when is not None
    ]
    return min([*starts, *passed], default=0)


def _complete(name: str, process: int, thread: int, start: int, took: int, about: Json) -> Json:
    return {"name": name, "ph": "X", "ts": start, "dur": took, "pid": process, "tid": thread, "args": about}


def _named(what: str, process: int, thread: int, name: str) -> Json:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}
