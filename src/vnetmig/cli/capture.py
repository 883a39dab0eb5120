"""`vnetmig capture`: the state of a running QEMU, as a file.

Knows options; the migration is the qemu layer's, what is said of it the report layer's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import Verb
from vnetmig.cli.quantities import Bytes

EXAMPLE = """
vnetmig capture --qmp /run/vm.qmp -o vm.qemu
vnetmig capture --qmp /run/vm.qmp -o state.qemu --no-ram
vnetmig capture --qmp /run/vm.qmp -o vm.qemu --bandwidth 200M --downtime-limit 50
"""


@click.command("capture", cls=Verb, example=EXAMPLE)
@click.option("--qmp", required=True, metavar="SOCK", help="The QMP unix socket; nobody else may be connected to it.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=str), metavar="FILE", help="Where it goes.")
@click.option(
    "--no-ram",
    is_flag=True,
    help="Device state only: shared RAM stays where it is (x-ignore-shared), and the pages of other RAM are left out.",
)
@click.option(
    "--bandwidth", type=Bytes(), metavar="BYTES/S", help="What RAM may use while the guest runs: 500k, 64M, 1G."
)
@click.option(
    "--downtime-limit",
    type=click.IntRange(1, 2_000_000),
    metavar="MS",
    help="The guest is stopped when the rest takes no longer than this. By default as it is set.",
)
@click.option("--force", is_flag=True, help="Replace FILE if there is one.")
@options.as_json
def command(
    qmp: str,
    output: str,
    no_ram: bool,
    bandwidth: int | None,
    downtime_limit: int | None,
    force: bool,
    as_json: bool,
) -> int:
    """Save the state of a running QEMU to FILE. Its guest stands still for a moment and then goes on.

    Whatever happens meanwhile (a full disk, Ctrl-C, the end of this process), the machine goes on as it was, and FILE
    is there whole or not at all. To QEMU a capture is a migration that failed: query-migrate says so afterwards.

    Exit code 1: it was refused, or failed. 3: no answer on SOCK.
    """
    from vnetmig.cli.output import progress, write_blocks, write_json
    from vnetmig.qemu.capture import capture
    from vnetmig.report.live import captured_blocks, captured_json

    with progress("capturing") as report:
        made = capture(
            qmp,
            output,
            ram=not no_ram,
            bandwidth=bandwidth,
            downtime_limit=downtime_limit,
            overwrite=force,
            progress=report,
        )
    if as_json:
        write_json(captured_json(made))
    else:
        write_blocks(captured_blocks(made))
    return 0
