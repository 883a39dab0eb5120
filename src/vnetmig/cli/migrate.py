"""`vnetmig migrate`: a live migration between two processes, in every mode, and what it took.

Knows options; the migration is the migration layer's, the table the report layer's.
"""

from __future__ import annotations

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

MODES = ("stock", "iterative")

EXAMPLE = """
vnetmig migrate
vnetmig migrate vm.qemu --memory rings.json --mode iterative --runs 20
vnetmig migrate --incoming tcp:0.0.0.0:4444
"""


@click.command("migrate", cls=Verb, example=EXAMPLE)
@click.argument("stream", required=False, type=options.PATH)
@click.option("--mode", type=click.Choice([*MODES, "all"]), default="all", show_default=True)
@click.option("--runs", type=click.IntRange(1, 1000), default=5, show_default=True, help="Migrations in each mode.")
@click.option("--channel", type=click.Choice(["unix", "tcp"]), default="unix", show_default=True)
@click.option("--trace", type=click.Path(path_type=str), metavar="FILE", help="Write QEMU's downtime trace lines.")
@click.option("--all", "everything", is_flag=True, help="Every device by name, however short it takes.")
@click.option("--incoming", metavar="ADDR", help="Be the destination of one migration: unix:PATH, tcp:HOST:PORT.")
@click.option("--warm-up", "warm", is_flag=True, hidden=True)
@options.memory
@options.engine
@options.as_json
def command(
    stream: str | None,
    mode: str,
    runs: int,
    channel: str,
    trace: str | None,
    everything: bool,
    incoming: str | None,
    warm: bool,
    memory: str | None,
    engine: str | None,
    as_json: bool,
) -> int:
    """Live-migrate the devices in STREAM to a second process, and show what each took.

    Without STREAM the capture that comes with vnetmig is migrated. Each run starts a new destination process, the modes
    take turns, and both sides have migrated once in memory before anything is measured. The destination builds every
    device from the bytes alone, saves it again, and the source compares.

    Exit code 1: a destination refused, or holds something else than was sent.
    """
    if incoming is not None:
        if stream is not None:
            raise click.UsageError("--incoming is the destination: it takes no STREAM")
        from vnetmig.cli.incoming import serve

        return serve(incoming, engine, as_json=as_json, warm=warm)
    from vnetmig.cli.migrating import migrate_all
    from vnetmig.cli.output import write_blocks, write_json
    from vnetmig.engine import describe, get
    from vnetmig.report.blocks import Note
    from vnetmig.report.migration import complete, outcome_blocks, outcome_json, trace_lines

    running = describe() if engine is None else f"engine: {get(engine).NAME}"
    outcomes = migrate_all(stream, MODES if mode == "all" else (mode,), runs, channel, memory=memory, engine=engine)
    if trace is not None:
        with open(trace, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(line + "\n" for line in trace_lines(outcomes))
    if as_json:
        write_json({"engine": running.removeprefix("engine: "), **outcome_json(outcomes)})
    else:
        write_blocks([*outcome_blocks(outcomes, everything=everything), Note(running)])
    return 0 if complete(outcomes) else DIFFERENCES
