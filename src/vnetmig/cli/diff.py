"""`vnetmig diff`: what differs between two streams.

Knows options; comparing is the analysis layer's, wording the report layer's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

EXAMPLE = """
vnetmig diff before.qemu after.qemu
vnetmig diff before.qemu after.qemu virtio-net --churn
vnetmig diff before.qemu after.qemu --json | jq '.sections[].fields[] | select(.churn == null)'
"""


@click.command("diff", cls=Verb, example=EXAMPLE)
@click.argument("a", type=options.PATH)
@click.argument("b", type=options.PATH)
@click.argument("device", required=False)
@click.option("--churn", is_flag=True, help="Show the fields that time alone changes, too.")
@options.engine
@options.as_json
def command(a: str, b: str, device: str | None, churn: bool, engine: str | None, as_json: bool) -> int:
    """Say what differs between the streams A and B, or between their DEVICE: fields with both values and offsets,
    feature bits and filter entries by name, sections and subsections that one of them lacks, the first byte.

    What any two instants of one running machine differ in (clocks, CPU registers, ring indices) is churn: it is
    counted, and shown with --churn. How many pages of RAM differ is said; which ones is a matter of time, too.

    The exit code is 1 when anything but churn differs. How a file is compressed is no difference.
    """
    from vnetmig.analysis.diff import diff
    from vnetmig.cli.output import progress, write_blocks, write_json
    from vnetmig.cli.source import open_input
    from vnetmig.document.load import load
    from vnetmig.report.diff import diff_blocks, diff_json

    if a == b == "-":
        raise click.UsageError("only one of A and B can be stdin")
    with progress("reading") as report:
        before = load(open_input(a), engine=engine, progress=report)
    with progress("reading") as report:
        after = load(open_input(b), engine=engine, progress=report)
    found = diff(before, after, device)
    if as_json:
        write_json(diff_json(found))
    else:
        write_blocks(diff_blocks(found, churn=churn))
    return 0 if found.equal else DIFFERENCES
