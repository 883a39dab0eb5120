"""A relayed migration, as text and as JSON: what became of it, and on request when everything came by.

Knows outcomes of a relay; how an account reads is `account`'s.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.errors import StreamError
from vnetmig.migration.account import Account
from vnetmig.qemu.relay.outcome import Relayed
from vnetmig.report.account import account_blocks, account_json, milliseconds, switchover
from vnetmig.report.blocks import Block, Facts, Note
from vnetmig.report.check import check_json
from vnetmig.report.json import Json, error_json


def relay_blocks(made: Relayed, *, timeline: bool = False) -> Iterator[Block]:
    account = made.account
    yield Facts(made.verdict, list(_facts(made)))
    if timeline:
        yield from account_blocks(account)
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
        yield "switchover", f"{milliseconds(blackout)} ms, from when the source had stopped to its last byte"
    yield "return path", _return_path(account)
    beside = [channel for channel in made.channels if channel.kind != "main"]
    if beside:
        sizes = ", ".join(f"{channel.kind or 'silent'} {channel.forward} bytes" for channel in beside)
        yield "other channels", sizes
    if made.checked is not None and made.checked.qemu:
        yield "checked", f"QEMU {made.checked.qemu}, against {made.checked.against}: {made.checked.verdict}"
    for change in made.changed:
        yield "changed", change


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


def relay_json(made: Relayed) -> dict[str, Json]:
    """Times in nanoseconds since the first byte."""
    account, error = made.account, made.error
    return {
        "verdict": made.verdict,
        "confirmed": made.confirmed,
        "side": made.side,
        "error": None if error is None else error_json(error) if isinstance(error, StreamError) else str(error),
        "notes": list(made.notes),
        **account_json(account),
        "channels": [
            {"kind": channel.kind, "forward": channel.forward, "back": channel.back} for channel in made.channels
        ],
        "checked": None if made.checked is None else check_json("relay", [made.checked]),
        "changed": list(made.changed),
    }
