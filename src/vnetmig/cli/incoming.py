"""`vnetmig migrate --incoming`: the destination.

Knows addresses and what to print; loading is the migration layer's.
"""

from __future__ import annotations

import click

from vnetmig.channel.address import TcpAddress, UnixAddress, parse_address
from vnetmig.channel.opening import accept, listen
from vnetmig.cli.group import DIFFERENCES
from vnetmig.cli.output import note, write_blocks, write_json
from vnetmig.cli.two_processes import LISTENING
from vnetmig.cli.warm_up import warm_destination
from vnetmig.errors import ChannelError
from vnetmig.migration.run import serve_incoming
from vnetmig.report.incoming import incoming_blocks, incoming_json


def serve(address: str, engine: str | None, *, as_json: bool, warm: bool = False) -> int:
    """Take one migration at ``address``; the exit code says whether it was loaded.

    ``warm``: load the packaged capture first, so that nothing is measured that only the first load of a process costs.
    """
    try:
        where = parse_address(address)
    except ChannelError as error:
        raise click.UsageError(str(error)) from error
    if warm:
        warm_destination(engine)
    if isinstance(where, UnixAddress | TcpAddress):
        with listen(where) as listener:
            note(f"{LISTENING}{listener.address}")
            with listener.accept() as channel:
                destination = serve_incoming(channel, engine)
    else:
        with accept(where) as channel:
            destination = serve_incoming(channel, engine)
    if as_json:
        write_json(incoming_json(destination))
    else:
        write_blocks(incoming_blocks(destination))
    return 0 if destination.error is None else DIFFERENCES
