"""What was captured from a real QEMU, sent to one, or served for one, for people and for programs.

Knows results; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.qemu.capture import Captured
from vnetmig.qemu.send import Sent
from vnetmig.qemu.serve import Served
from vnetmig.report.account import account_blocks, account_json
from vnetmig.report.blocks import Block, Facts, Note
from vnetmig.report.json import Json

_RAM = {
    "whole": "all of it",
    "ignored": "shared RAM left where it is (x-ignore-shared): the stream loads beside that RAM",
    "dropped": "left out in flight: for reading, no QEMU can load it",
}


def captured_blocks(made: Captured) -> Iterator[Block]:
    dropped = f" ({made.left_out} bytes)" if made.left_out else ""
    yield Facts(
        f"{made.path}: {made.size} bytes",
        [
            ("machine", made.account.machine or "no name in the stream"),
            ("RAM", _RAM[made.ram] + dropped),
            ("devices", str(len(made.account.devices))),
            ("guest stood still", "it did not run" if made.blackout is None else f"{1000 * made.blackout:.1f} ms"),
            ("status", made.after if made.after == made.before else f"{made.after} (before: {made.before})"),
            ("took", f"{made.seconds:.2f} s"),
        ],
    )
    for note in made.notes:
        yield Note(note)


def captured_json(made: Captured) -> dict[str, Json]:
    return {
        "path": made.path,
        "bytes": made.size,
        "ram": made.ram,
        "left_out": made.left_out,
        "blackout_seconds": made.blackout,
        "seconds": made.seconds,
        "status_before": made.before,
        "status": made.after,
        "notes": list(made.notes),
        "account": account_json(made.account),
    }


def sent_blocks(sent: Sent) -> Iterator[Block]:
    facts = [("why", sent.why), ("sent", f"{sent.size} of {sent.total} bytes in {sent.seconds:.2f} s")]
    if sent.status is not None:
        facts.append(("status there", sent.status))
    yield Facts(_OUTCOMES[sent.outcome], facts)


_OUTCOMES = {
    "loaded": "loaded: the destination has the machine",
    "refused": "refused: the destination has not loaded it",
    "unknown": "unknown: the destination did not say",
}


def sent_json(sent: Sent) -> dict[str, Json]:
    return {
        "outcome": sent.outcome,
        "why": sent.why,
        "bytes": sent.size,
        "total": sent.total,
        "seconds": sent.seconds,
        "pongs": sent.pongs,
        "shut": sent.shut,
        "status": sent.status,
        "reason": sent.reason,
    }


def served_blocks(made: Served) -> Iterator[Block]:
    yield from account_blocks(made.account)
    facts = [
        ("machine", made.account.machine or "no name in the stream"),
        ("source", made.source),
        ("switchover ack", "sent" if made.acknowledged else "not sent"),
        ("took", f"{made.seconds:.2f} s"),
    ]
    facts += [("multifd", f"{path}: {size} bytes") for path, size in made.channels]
    yield Facts(f"{made.path}: {made.size} bytes", facts)


def served_json(made: Served) -> dict[str, Json]:
    return {
        "path": made.path,
        "bytes": made.size,
        "channels": [{"path": path, "bytes": size} for path, size in made.channels],
        "answer": made.answer,
        "heard": made.heard,
        "source": made.source,
        "switchover_ack": made.acknowledged,
        "seconds": made.seconds,
        "account": account_json(made.account),
    }
