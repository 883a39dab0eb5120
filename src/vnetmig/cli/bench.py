"""`vnetmig bench`: the engines on this machine, against the floor.

Knows options; measuring is report.bench's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import Verb

EXAMPLE = """
vnetmig bench
vnetmig bench --json
"""


@click.command("bench", cls=Verb, example=EXAMPLE)
@options.as_json
def command(as_json: bool) -> int:
    """Measure save and load of two device states on every engine of this installation.

    Beside them: a naive loop over a table of fields, a hand-written struct, and a copy of the bytes.
    """
    from vnetmig.cli.output import progress, write_blocks, write_json
    from vnetmig.engine import describe, engines
    from vnetmig.report.bench import bench_blocks, bench_json, measure

    with progress("measuring", least=0) as report:
        found = measure(engines(), report)
    if as_json:
        write_json(bench_json(found, describe()))
    else:
        write_blocks(bench_blocks(found, describe()))
    return 0
