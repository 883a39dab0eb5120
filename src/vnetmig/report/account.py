"""What was seen of a migration go by, as text and as JSON: phases, rounds of RAM, devices, the return path.

Knows accounts and how people read them. Times are when bytes came by: neither what the source needed to save a device
nor what the destination needs to load it.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.migration.account import Account, Phase, Round
from vnetmig.report.blocks import Block, Table, columns
from vnetmig.report.json import Json, error_json

ROUNDS_SHOWN = 12
"""In text; the middle of a longer list is left out."""

_PHASES = columns("phase", ">at ms", ">ms", ">offset")
_ROUNDS = columns("ram", ">sections", ">at ms", ">ms", ">bytes", ">pages", ">zero pages", ">xbzrle")
_DEVICES = columns("device", "kind", ">at ms", ">ms", ">bytes")


def account_blocks(account: Account) -> Iterator[Block]:
    """Phases, rounds of RAM and devices, as they came by."""
    yield _phase_table(account)
    yield _round_table(account)
    yield _device_table(account)


def switchover(account: Account) -> int | None:
    """Nanoseconds between the first byte of the switchover and the last one of the stream, as they came by."""
    began = account.reached(Phase.SWITCHOVER) or account.reached(Phase.DEVICES)
    return None if began is None or account.ended is None else account.ended - began


def progress_line(account: Account) -> str:
    """Where it is, in one line."""
    done = account.pages + account.zero_pages
    return (
        f"{account.phase.value}: {account.size / 1e6:.1f} MB, {done} pages, {account.iterations} iterations, "
        f"{len(account.devices)} devices"
    )


def _phase_table(account: Account) -> Table:
    table = Table("phases", _PHASES)
    ends = [*(when for _, when, _ in account.phases[1:]), account.ended]
    for (phase, when, offset), end in zip(account.phases, ends, strict=False):  # no phase: nothing has an end
        lasted = "" if end is None else milliseconds(end - when)
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
    return (
        one.kind,
        str(one.sections),
        _since(account, one.began),
        milliseconds(one.ended - one.began),
        *map(str, counts),
    )


def _device_table(account: Account) -> Table:
    table = Table("devices", _DEVICES)
    for device in account.devices:
        kind = f"{device.kind}, early" if device.early else device.kind
        lasted = "" if device.ended is None else milliseconds(device.ended - device.began)
        table.rows.append((device.name, kind, _since(account, device.began), lasted, str(device.size)))
    return table


def _since(account: Account, when: int) -> str:
    return milliseconds(when - (account.began or 0))


def milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.3f}"


def account_json(account: Account) -> dict[str, Json]:
    """Times in nanoseconds since the first byte."""
    peer = account.peer
    return {
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
    }


def _at(account: Account, when: int | None) -> int | None:
    return None if when is None or account.began is None else when - account.began
