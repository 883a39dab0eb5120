"""`vnetmig relay`: between two QEMUs while a machine moves from one to the other.

Knows options and exit codes; the relay is the qemu layer's, wording the report layer's.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

if TYPE_CHECKING:
    from vnetmig.analysis.profile.from_stream import OfStream
    from vnetmig.analysis.profile.profile import Profile
    from vnetmig.migration.account import Account

EXAMPLE = """
vnetmig relay --listen unix:/run/relay.sock --connect unix:/run/destination.sock --timeline
vnetmig relay --listen tcp::4444 --connect tcp:host-b:4444 --check qmp:/run/destination.qmp
vnetmig relay --listen tcp::4444 --connect tcp:host-b:4444 --set virtio-net:mac=52:54:00:aa:bb:cc
vnetmig relay --listen unix:/run/relay.sock --connect unix:/run/destination.sock --record vm.qemu --json
"""


@click.command("relay", cls=Verb, example=EXAMPLE)
@click.option("--listen", "listen_at", required=True, metavar="ADDR", help="Where the source will migrate to.")
@click.option("--connect", "connect_to", required=True, metavar="ADDR", help="Where the destination waits.")
@click.option(
    "--check",
    metavar="SPEC",
    help="Refuse what the destination would not take: FILE.toml, cmdline:FILE, qmp:SOCK, stream:FILE, host, self.",
)
@click.option("--qemu", metavar="VERSION", help="The destination's QEMU, for --check.")
@click.option("--strict", is_flag=True, help="With --check: refuse everything worse than an assumption.")
@click.option("--set", "sets", multiple=True, metavar="DEVICE:PATH=VALUE", help="Change a value as it goes by.")
@click.option("--record", type=click.Path(path_type=str), metavar="FILE", help="Keep the source's bytes as they came.")
@click.option("--record-out", type=click.Path(path_type=str), metavar="FILE", help="Keep what the destination got.")
@click.option("--force", is_flag=True, help="Replace the files of --record if there are any.")
@click.option(
    "--without-return-path",
    "late",
    is_flag=True,
    help="Check or change also what has no return path: a refusal may then leave the source stopped.",
)
@click.option("--timeline", is_flag=True, help="Show phases, rounds and devices with their times.")
@options.engine
@options.as_json
def command(
    listen_at: str,
    connect_to: str,
    check: str | None,
    qemu: str | None,
    strict: bool,
    sets: tuple[str, ...],
    record: str | None,
    record_out: str | None,
    force: bool,
    late: bool,
    timeline: bool,
    engine: str | None,
    as_json: bool,
) -> int:
    """Pass one live migration on between two QEMUs, both ways, and tell what went by.

    The destination waits at --connect (-incoming), the source migrates to --listen: unix:PATH, tcp:HOST:PORT or fd:N.
    Every byte goes on as soon as it comes; multifd and postcopy too. With --check and --set, which take the capability
    return-path at both ends, sections of devices wait until they are whole. What is refused leaves the guest running
    at the source.

    Exit code 1: the migration failed or was refused, or a recording is not complete. 3: with --check or --set, it
    could not be read, and so was refused.
    """
    from vnetmig.cli.output import note, write_blocks, write_json
    from vnetmig.qemu.relay.relay import relay
    from vnetmig.report.relay import relay_blocks, relay_json

    if check is None and (strict or qemu is not None):
        raise click.UsageError("--strict and --qemu: of --check")
    against, release = _destination(check, qemu)
    with _followed() as follow:
        made = relay(
            listen_at,
            connect_to,
            check=against,
            qemu=release,
            strict=strict,
            sets=sets,
            record=record,
            record_out=record_out,
            overwrite=force,
            late=late,
            follow=follow,
            held=note,
            listening=_listening,
            engine=engine,
        )
    if as_json:
        write_json(relay_json(made))
    else:
        write_blocks(relay_blocks(made, timeline=timeline))
    if made.error is not None:
        raise made.error
    return DIFFERENCES if made.notes else 0


def _listening(address: str) -> None:
    """All is ready. What is there now stays until the end: no collector needs to look at it while a guest waits."""
    from vnetmig.cli.output import note

    gc.collect()
    gc.freeze()
    note(f"listening on {address}")


def _destination(spec: str | None, qemu: str | None) -> tuple[Profile | OfStream | None, str | None]:
    """(the destination, its release where that is not part of it)"""
    if spec is None:
        return None, None
    from vnetmig.analysis.profile.from_stream import OfStream
    from vnetmig.qemu.specs import destination_from

    found = destination_from(spec, qemu)
    if not isinstance(found, OfStream):
        return found, None
    if qemu is None and spec == "host":
        from vnetmig.qemu.host import installed_release

        return found, str(installed_release()[0])
    return found, qemu


@contextmanager
def _followed() -> Iterator[Callable[[Account], object] | None]:
    """A line on stderr that says where the migration is, if that is a terminal. It is written between two bytes: no
    thread may take time from what goes by."""
    if not sys.stderr.isatty():
        yield None
        return
    from vnetmig.report.account import progress_line

    def follow(account: Account) -> None:
        sys.stderr.write(f"\r\x1b[K{progress_line(account)}")
        sys.stderr.flush()

    try:
        yield follow
    finally:
        sys.stderr.write("\r\x1b[K")
