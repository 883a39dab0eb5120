"""What was captured from a real QEMU, sent to one, or served for one, for people and for programs.

Knows results; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.migration.account import Account, Phase
from vnetmig.qemu.capture import Captured
from vnetmig.qemu.send import Sent
from vnetmig.qemu.serve import Served
from vnetmig.report.blocks import Block, Facts, Note, Table, columns
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
        **account_json(made.account),
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
        **account_json(made.account),
    }


def account_blocks(account: Account) -> Iterator[Block]:
    """Phases, rounds of RAM and devices, as they came by."""
    began = account.began or 0
    if account.rounds:
        table = Table("RAM", columns("round", ">sections", ">bytes", ">pages", ">zero", ">ms"))
        table.rows = [
            (
                one.kind,
                str(one.sections),
                str(one.size),
                str(one.pages + one.encoded),
                str(one.zero_pages),
                _ms(one.began, one.ended),
            )
            for one in account.rounds
        ]
        yield table
    if account.devices:
        table = Table("devices", columns(">at ms", ">bytes", "when", "device"))
        table.rows = [
            (_ms(began, seen.began), str(seen.size), "early" if seen.early else "stopped", seen.name)
            for seen in account.devices
        ]
        yield table
    phases = [
        (phase.value, f"at {_ms(began, when)} ms, offset {offset:#x}")
        for phase, when, offset in account.phases
        if phase is not Phase.NOTHING
    ]
    yield Facts("phases", phases)


def account_json(account: Account) -> dict[str, Json]:
    began = account.began or 0
    return {
        "machine": account.machine,
        "capabilities": list(account.capabilities),
        "received": account.size,
        "ram_bytes": account.ram_bytes,
        "pages": account.pages,
        "zero_pages": account.zero_pages,
        "phases": [{"phase": phase.value, "ns": when - began, "offset": at} for phase, when, at in account.phases],
        "rounds": [
            {
                "kind": one.kind,
                "sections": one.sections,
                "bytes": one.size,
                "pages": one.pages,
                "zero_pages": one.zero_pages,
                "encoded": one.encoded,
                "began": one.began - began,
                "ended": one.ended - began,
            }
            for one in account.rounds
        ],
        "devices": [
            {
                "idstr": seen.idstr,
                "instance_id": seen.instance_id,
                "bytes": seen.size,
                "early": seen.early,
                "began": seen.began - began,
            }
            for seen in account.devices
        ],
    }


def _ms(start: int, end: int) -> str:
    return f"{(end - start) / 1e6:.1f}"
