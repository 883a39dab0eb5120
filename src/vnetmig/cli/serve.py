"""`vnetmig serve`: the destination of a real QEMU's migration, into a file.

Knows options and progress; sockets and answers are the qemu layer's, what is said of it the report layer's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

if TYPE_CHECKING:
    from vnetmig.migration.account import Account
    from vnetmig.qemu.serve import Then

EXAMPLE = """
vnetmig serve --listen unix:/run/there.sock -o vm.qemu
vnetmig serve --listen tcp:0.0.0.0:4444 -o vm.qemu --then resume
"""


@click.command("serve", cls=Verb, example=EXAMPLE)
@click.option("--listen", "address", required=True, metavar="ADDR", help="unix:PATH or tcp:HOST:PORT.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=str), metavar="FILE", help="Where it goes.")
@click.option(
    "--then",
    type=click.Choice(["stop", "resume"]),
    default="stop",
    show_default=True,
    help="What the source's machine does when all has come. resume is a rehearsal: it hears that it failed, and goes"
    " on; that takes its capability return-path.",
)
@click.option(
    "--switchover-ack/--no-switchover-ack",
    default=None,
    help="Say that the source may switch over, which its capability waits for. By default to those known to do"
    " so: machine types from 8.1 to 11.0.",
)
@click.option("--force", is_flag=True, help="Replace FILE if there is one.")
@options.as_json
def command(address: str, output: str, then: str, switchover_ack: bool | None, force: bool, as_json: bool) -> int:
    """Wait at ADDR for one migration of a real QEMU (QMP: migrate), and save it to FILE.

    A source with the capability return-path is told that all is well when FILE is on the disk, and not before; whatever
    fails, it is told so, and its machine goes on. multifd channels go to FILE.channelN. Postcopy is refused.

    Exit code 1: the migration failed, or was refused. 3: what came is no stream that can be followed.
    """
    from vnetmig.cli.output import note, progress, write_blocks, write_json
    from vnetmig.qemu.serve import serve
    from vnetmig.report.live import served_blocks, served_json

    hinted = switchover_ack is not None
    with progress("receiving") as report:

        def seen(account: Account) -> None:
            nonlocal hinted
            if not hinted and _may_wait_for_ack(account):
                note("it still sends rounds: if its capability switchover-ack is on, give --switchover-ack")
                hinted = True
            if account.ram_size:
                pages = account.pages + account.zero_pages
                report(min(pages * _PAGE, account.ram_size), account.ram_size)

        made = serve(
            address,
            output,
            then=cast("Then", then),
            switchover_ack=switchover_ack,
            overwrite=force,
            listening=lambda where: note(f"listening on {where}"),
            progress=seen,
        )
    if as_json:
        write_json(served_json(made))
    else:
        write_blocks(served_blocks(made))
    return 0 if made.heard else DIFFERENCES


_PAGE = 4096
_LONG_NS = 10_000_000_000


def _may_wait_for_ack(account: Account) -> bool:
    """Has it been in its rounds for long, and was not told that it may switch over?"""
    from vnetmig.migration.account import Phase

    began = account.reached(Phase.ROUNDS)
    return (
        account.phase is Phase.ROUNDS
        and account.peer.opened is not None
        and account.peer.switchover_ack is None
        and began is not None
        and time.monotonic_ns() - began > _LONG_NS
    )
