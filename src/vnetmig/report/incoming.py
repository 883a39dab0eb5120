"""What a destination has loaded, or why it refused, and what became of the machine there.

Knows a destination that has finished; runs none.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.errors import StreamError
from vnetmig.migration.destination import Destination
from vnetmig.report.afterwards import Afterwards, afterwards_json
from vnetmig.report.blocks import Block, Facts, Note, Table, columns
from vnetmig.report.json import Json, error_json


def incoming_blocks(destination: Destination, afterwards: Afterwards) -> Iterator[Block]:
    result = destination.result
    if destination.error is not None:
        yield Facts(
            "refused: the source keeps its devices", [("", line) for line in str(destination.error).split("\n")]
        )
        return
    if result is None:
        yield Note("nothing came")
        return
    table = Table("loaded", columns(">bytes", ">load us", "described by", "when", "device"))
    for section in result.sections:
        name = f"{section.idstr}#{section.instance_id}" if section.instance_id else section.idstr
        when = "early" if section.early else "stopped"
        load = f"{section.load_ns / 1000:.1f}"
        table.rows.append((str(len(section.data)), load, section.described_by, when, name))
        table.notes += section.rings or ()
    yield table
    yield from _afterwards(afterwards)
    yield Note(f"{result.stream_bytes} bytes, engine: {result.engine}")


def _afterwards(found: Afterwards) -> Iterator[Block]:
    facts = Facts("")
    for backend in found.backends:
        early, late = backend.prepare, backend.commit
        work = f"{early.items} items early, {late.items} at switchover, {late.repeated} of them repeated"
        facts.pairs.append((f"{backend.kind} backend of {backend.idstr}", work))
    if found.guest is not None:
        facts.pairs.append(("guest", found.guest.failure or f"went on for {found.guest.steps} steps"))
    if facts.pairs:
        yield facts


def incoming_json(destination: Destination, afterwards: Afterwards) -> dict[str, Json]:
    error = destination.error
    result = destination.result
    return {
        "loaded": error is None,
        "engine": result.engine if result is not None else None,
        "bytes": result.stream_bytes if result is not None else 0,
        "devices": [
            {
                "idstr": section.idstr,
                "instance_id": section.instance_id,
                "bytes": len(section.data),
                "load": section.load_ns,
                "described": section.described_by,
                "early": section.early,
                "rings": None if section.rings is None else list(section.rings),
            }
            for section in (result.sections if result is not None else ())
        ],
        **afterwards_json(afterwards),
        "error": None
        if error is None
        else error_json(error)
        if isinstance(error, StreamError)
        else {"message": str(error)},
    }
