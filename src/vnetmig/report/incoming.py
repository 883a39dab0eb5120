"""What a destination has loaded, or why it refused.

Knows a destination that has finished; runs none.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.errors import StreamError
from vnetmig.migration.destination import Destination
from vnetmig.report.blocks import Block, Facts, Note, Table, columns
from vnetmig.report.json import Json, error_json


def incoming_blocks(destination: Destination) -> Iterator[Block]:
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
    yield Note(f"{result.stream_bytes} bytes, engine: {result.engine}")


def incoming_json(destination: Destination) -> dict[str, Json]:
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
        "error": None
        if error is None
        else error_json(error)
        if isinstance(error, StreamError)
        else {"message": str(error)},
    }
