"""`vnetmig send`: a saved stream into a QEMU that waits for one.

Knows options; sending is the qemu layer's, what is said of it the report layer's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

EXAMPLE = """
vnetmig send vm.qemu unix:/run/incoming.sock
vnetmig send vm.qemu.xz tcp:10.0.0.2:4444 --qmp /run/vm.qmp
"""


@click.command("send", cls=Verb, example=EXAMPLE)
@click.argument("stream", type=options.PATH)
@click.argument("address", metavar="ADDR")
@click.option("--qmp", metavar="SOCK", help="The destination's QMP socket: its own word on what became of it.")
@click.option("--as-is", "as_it_is", is_flag=True, help="Send the bytes whatever they are, and ask for no answer.")
@click.option(
    "--patience",
    type=click.FloatRange(0.1, 86400),
    default=30.0,
    show_default=True,
    metavar="S",
    help="How long the destination may be silent.",
)
@options.as_json
def command(stream: str, address: str, qmp: str | None, as_it_is: bool, patience: float, as_json: bool) -> int:
    """Send STREAM to the QEMU that waits at ADDR (-incoming unix:PATH, tcp:HOST:PORT), and say what became of it.

    STREAM may be compressed or a libvirt image. Two commands are put into it that make the destination answer. A stream
    that no QEMU can read is not sent (exit code 3).

    Exit code 1: the destination refused, or nobody knows.
    """
    from vnetmig.cli.output import progress, write_blocks, write_json
    from vnetmig.cli.source import open_input
    from vnetmig.qemu.send import LOADED, send
    from vnetmig.report.live import sent_blocks, sent_json

    with progress("sending") as report:
        sent = send(open_input(stream), address, qmp=qmp, as_it_is=as_it_is, patience=patience, progress=report)
    if as_json:
        write_json(sent_json(sent))
    else:
        write_blocks(sent_blocks(sent))
    return 0 if sent.outcome == LOADED else DIFFERENCES
