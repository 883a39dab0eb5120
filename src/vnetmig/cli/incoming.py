"""`vnetmig migrate --incoming`: the destination.

Knows addresses and what to print; loading is the migration layer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from vnetmig.channel.address import TcpAddress, UnixAddress, parse_address
from vnetmig.channel.interface import Channel
from vnetmig.channel.opening import accept, listen
from vnetmig.cli.group import DIFFERENCES
from vnetmig.cli.incoming_machine import Incoming
from vnetmig.cli.output import note, write_blocks, write_json
from vnetmig.cli.rehearsal import replay, undisturbed
from vnetmig.cli.two_processes import LISTENING
from vnetmig.errors import ChannelError
from vnetmig.migration.destination import Destination
from vnetmig.migration.run import serve_incoming
from vnetmig.report.incoming import incoming_blocks, incoming_json


@dataclass(frozen=True, slots=True)
class Serving:
    """``guest``: there is one in the RAM that comes, and it goes on here. ``rehearsed``: a folder of what to take
    before the migration itself, so that nothing is measured that only the first load of a process costs."""

    address: str
    backend: str = "null"
    guest: bool = False
    engine: str | None = None
    rehearsed: str | None = None
    page_size: int | None = None


def serve(serving: Serving, *, as_json: bool) -> int:
    """Take one migration; the exit code says whether it was loaded, and its guest went on."""
    try:
        where = parse_address(serving.address)
    except ChannelError as error:
        raise click.UsageError(str(error)) from error
    if serving.rehearsed is not None:
        replay(
            Path(serving.rehearsed),
            serving.backend,
            guest=serving.guest,
            engine=serving.engine,
            page_size=serving.page_size,
        )
    with Incoming(serving.backend, guest=serving.guest) as there:
        if isinstance(where, UnixAddress | TcpAddress):
            with listen(where) as listener:
                note(f"{LISTENING}{listener.address}")
                with listener.accept() as channel:
                    destination = _taken(channel, serving, there)
        else:
            with accept(where) as channel:
                destination = _taken(channel, serving, there)
        afterwards = there.go_on(destination)
        if there.shortfall is not None:
            note(there.shortfall)
    if as_json:
        write_json(incoming_json(destination, afterwards))
    else:
        write_blocks(incoming_blocks(destination, afterwards))
    failed = destination.error is not None or (afterwards.guest is not None and afterwards.guest.failure is not None)
    return DIFFERENCES if failed else 0


def _taken(channel: Channel, serving: Serving, there: Incoming) -> Destination:
    with undisturbed():
        return serve_incoming(channel, serving.engine, machine=there.machine, page_size=serving.page_size)
