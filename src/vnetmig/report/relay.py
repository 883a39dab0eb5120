"""A relayed migration, as text and as JSON: what became of it, and on request when everything came by.

Knows accounts and how people read them. Times are when bytes came by the relay: neither what the source needed to save
a device nor what the destination needs to load it.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.errors import StreamError
from vnetmig.migration.account import Account, Phase, Round
from vnetmig.qemu.relay.outcome import Relayed
from vnetmig.report.blocks import Block, Facts, Note, Table, columns
from vnetmig.report.check import check_json
from vnetmig.report.json import Json, error_json

ROUNDS_SHOWN = 12
"""In text; the middle of a longer list is left out."""

_PHASES = columns("phase", ">at ms", ">ms", ">offset")
_ROUNDS = columns("ram", ">sections", ">at ms", ">ms", ">bytes", ">pages", ">zero pages", ">xbzrle")
_DEVICES = columns("device", "kind", ">at ms", ">ms", ">bytes")


def relay_blocks(made: Relayed, *, timeline: bool = False) -> Iterator[Block]:
    account = made.account
    yield Facts(made.verdict, list(_facts(made)))
    if timeline:
        yield _phase_table(account)
        yield _round_table(account)
        yield _device_table(account)
    notes = list(made.notes)
    if account.fault is not None and made.error is None:
        notes.append(f"passed on, but it could not be read: {str(account.fault).splitlines()[0]}")
    if notes:
        yield Note("")
        yield from map(Note, notes)


def _facts(made: Relayed) -> Iterator[tuple[str, str]]:
    account = made.account
    if made.error is not None:
        yield "because of", f"the {made.side}"
    if account.machine is not None:
        yield "machine", account.machine
    yield "bytes", f"{account.size}, of which {account.ram_bytes} of RAM"
    yield "pages", f"{account.pages}, and {account.zero_pages} zero pages, in {account.iterations} iterations"
    yield "devices", f"{len(account.devices)} sections, {sum(one.size for one in account.devices)} bytes"
    blackout = switchover(account)
    if blackout is not None:
        yield "switchover", f"{_ms(blackout)} ms, from when the source had stopped to its last byte"
    yield "return path", _return_path(account)
    beside = [channel for channel in made.channels if channel.kind != "main"]
    if beside:
        sizes = ", ".join(f"{channel.kind or 'silent'} {channel.forward} bytes" for channel in beside)
        yield "other channels", sizes
    if made.checked is not None and made.checked.qemu:
        yield "checked", f"QEMU {made.checked.qemu}, against {made.checked.against}: {made.checked.verdict}"
    for change in made.changed:
        yield "changed", change


def switchover(account: Account) -> int | None:
    """Nanoseconds between the first byte of the switchover and the last one of the stream, as they came by."""
    began = account.reached(Phase.SWITCHOVER) or account.reached(Phase.DEVICES)
    return None if began is None or account.ended is None else account.ended - began


def _return_path(account: Account) -> str:
    peer = account.peer
    if peer.opened is None:
        return "none: what the destination made of it is not known"
    words = [f"{peer.pongs} pongs"]
    if peer.page_requests:
        words.append(f"{peer.page_requests} page requests")
    if peer.switchover_ack is not None:
        words.append("switchover ack")
    if peer.shut is None:
        words.append("the destination has not said that it is done")
    else:
        words.append("the destination has taken over" if peer.shut == 0 else f"the destination failed ({peer.shut})")
    return ", ".join(words)


def _phase_table(account: Account) -> Table:
    table = Table("phases", _PHASES)
    ends = [*(when for _, when, _ in account.phases[1:]), account.ended]
    for (phase, when, offset), end in zip(account.phases, ends, strict=False):  # no phase: nothing has an end
        lasted = "" if end is None else _ms(end - when)
        table.rows.append((phase.value, _since(account, when), lasted, f"{offset:#x}"))
    return table


def _round_table(account: Account) -> Table:
    table = Table("guest memory", _ROUNDS)
    rounds = account.rounds
    shown = rounds
    if len(rounds) > ROUNDS_SHOWN:
        half = ROUNDS_SHOWN // 2
        shown = [*rounds[:half], *rounds[-half:]]
        table.notes.append(f"{len(rounds) - len(shown)} rounds between them are left out; --json has them")
    table.rows = [_round_row(account, one) for one in shown]
    return table


def _round_row(account: Account, one: Round) -> tuple[str, ...]:
    counts = (one.size, one.pages, one.zero_pages, one.encoded)
    return one.kind, str(one.sections), _since(account, one.began), _ms(one.ended - one.began), *map(str, counts)


def _device_table(account: Account) -> Table:
    table = Table("devices", _DEVICES)
    for device in account.devices:
        kind = f"{device.kind}, early" if device.early else device.kind
        lasted = "" if device.ended is None else _ms(device.ended - device.began)
        table.rows.append((device.name, kind, _since(account, device.began), lasted, str(device.size)))
    return table


def _since(account: Account, when: int) -> str:
    return _ms(when - (account.began or 0))


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.3f}"


def progress_line(account: Account) -> str:
    """Where it is, in one line."""
    done = account.pages + account.zero_pages
    return (
        f"{account.phase.value}: {account.size / 1e6:.1f} MB, {done} pages, {account.iterations} iterations, "
        f"{len(account.devices)} devices"
    )


def relay_json(made: Relayed) -> dict[str, Json]:
    """Times in nanoseconds since the first byte."""
    account, peer = made.account, made.account.peer
    error = made.error
    return {
        "verdict": made.verdict,
        "confirmed": made.confirmed,
        "side": made.side,
        "error": None if error is None else error_json(error) if isinstance(error, StreamError) else str(error),
        "notes": list(made.notes),
        "machine": account.machine,
        "capabilities": list(account.capabilities),
        "size": account.size,
        "complete": account.complete,
        "unreadable": None if account.fault is None else error_json(account.fault),
        "ram": {
            "size": account.ram_size,
            "blocks": account.ram_blocks,
            "bytes": account.ram_bytes,
            "pages": account.pages,
            "zero_pages": account.zero_pages,
            "iterations": account.iterations,
        },
        "switchover": switchover(account),
        "phases": [
            {"phase": phase.name.lower(), "at": _at(account, when), "offset": offset}
            for phase, when, offset in account.phases
        ],
        "rounds": [
            {
                "kind": one.kind,
                "sections": one.sections,
                "began": _at(account, one.began),
                "ended": _at(account, one.ended),
                "bytes": one.size,
                "pages": one.pages,
                "zero_pages": one.zero_pages,
                "encoded": one.encoded,
            }
            for one in account.rounds
        ],
        "devices": [
            {
                "idstr": device.idstr,
                "instance_id": device.instance_id,
                "kind": device.kind,
                "early": device.early,
                "offset": device.offset,
                "bytes": device.size,
                "began": _at(account, device.began),
                "ended": _at(account, device.ended),
            }
            for device in account.devices
        ],
        "commands": dict(account.commands),
        "return_path": {
            "opened": _at(account, peer.opened),
            "pongs": peer.pongs,
            "page_requests": peer.page_requests,
            "switchover_ack": _at(account, peer.switchover_ack),
            "shut": peer.shut,
            "shut_at": _at(account, peer.shut_at),
        },
        "channels": [
            {"kind": channel.kind, "forward": channel.forward, "back": channel.back} for channel in made.channels
        ],
        "checked": None if made.checked is None else check_json("relay", [made.checked]),
        "changed": list(made.changed),
    }


def _at(account: Account, when: int | None) -> int | None:
    return None if when is None or account.began is None else when - account.began
