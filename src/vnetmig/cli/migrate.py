"""`vnetmig migrate`: a live migration between two processes, in every mode, and what it took.

Knows options; the migration is the migration layer's, the tables the report layer's.
"""

from __future__ import annotations

from typing import Any

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb
from vnetmig.cli.quantities import Bytes

MODES = ("stock", "iterative", "iterative-delta", "early", "preheat-all")
GUESTS = ("none", "quiet", "busy", "hostile")

EXAMPLE = """
vnetmig migrate
vnetmig migrate --guest busy --queue-pairs 4 --backend tap --runs 20
vnetmig migrate --mode iterative-delta --bandwidth 64M --downtime-limit 20 --switchover-ack
vnetmig migrate vm.qemu --memory rings.json --mode iterative --runs 20
vnetmig migrate vm.qemu --guest hostile --used-queues bitmap --json
vnetmig migrate --incoming tcp:0.0.0.0:4444 --guest busy --backend tap
"""


@click.command("migrate", cls=Verb, example=EXAMPLE)
@click.argument("stream", required=False, type=options.PATH)
@click.option("--mode", type=click.Choice([*MODES, "all"]), default="all", show_default=True)
@click.option("--runs", type=click.IntRange(1, 1000), default=5, show_default=True, help="Migrations in each mode.")
@click.option(
    "--guest",
    type=click.Choice(GUESTS),
    help="Who runs while it is migrated, in the place of the first virtio-net: by default a busy guest without STREAM,"
    " and none with it. With --incoming: any but none says that there is one in the RAM that comes.",
)
@click.option(
    "--queue-pairs", type=click.IntRange(1, 8), default=4, show_default=True, help="Of the device that the guest has."
)
@click.option("--packed", is_flag=True, help="The guest's device offers packed rings.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the first run's guest.")
@click.option(
    "--backend",
    type=click.Choice(["null", "tap"]),
    default="null",
    show_default=True,
    help="What the destination sets up early and switches on at the end; tap takes CAP_NET_ADMIN.",
)
@click.option(
    "--bandwidth", type=Bytes(), metavar="BYTES/S", help="What RAM may use while the guest runs: 500k, 64M, 1G."
)
@click.option(
    "--downtime-limit",
    type=click.IntRange(1, 3_600_000),
    default=300,
    show_default=True,
    metavar="MS",
    help="The guest is stopped when the bandwidth carries the rest in this time.",
)
@click.option("--used-queues", type=click.Choice(["count", "bitmap"]), help="Leave entries of unused queues out.")
@click.option("--switchover-ack", is_flag=True, help="Stop the guest only when the destination is prepared.")
@click.option(
    "--handover/--no-handover",
    default=True,
    show_default=True,
    help="The destination starts only when it is told to, or as QEMU's, by itself.",
)
@click.option(
    "--map-commit-us",
    type=click.FloatRange(0, 1e6),
    metavar="US",
    help="Show SIMULATED costs of QEMU's memory map, at so many microseconds a rebuild.",
)
@click.option("--channel", type=click.Choice(["unix", "tcp"]), default="unix", show_default=True)
@click.option("--trace", type=click.Path(path_type=str), metavar="FILE", help="Write QEMU's downtime trace lines.")
@click.option("--all", "everything", is_flag=True, help="Every device by name and with all its numbers.")
@click.option("--incoming", metavar="ADDR", help="Be the destination of one migration: unix:PATH, tcp:HOST:PORT.")
@click.option("--rehearsed", type=click.Path(path_type=str), hidden=True)
@click.option("--page-size", type=click.IntRange(1), hidden=True)
@options.memory
@options.engine
@options.as_json
@click.pass_context
def command(context: click.Context, /, **values: Any) -> int:
    """Live-migrate a machine to a second process, and show what each device took.

    The machine is that of STREAM, or of the capture that comes with vnetmig. With a guest, its first virtio-net is a
    running one: the guest sends, receives, configures and checks while it is migrated, and goes on at the destination.
    Each run starts a new destination process and a new guest, the modes take turns, and both sides have rehearsed in
    every mode before anything is measured. The destination builds every device from the bytes alone, saves it again,
    and the source compares.

    Exit code 1: a destination refused, or holds something else than was sent, or the guest failed.
    """
    from vnetmig.cli.combinations import check, given

    if values["guest"] is None:
        values["guest"] = "none" if values["incoming"] is not None or values["stream"] is not None else "busy"
    check(given(context), values, context)
    return _serve(values) if values["incoming"] is not None else _migrate(values)


def _serve(values: dict[str, Any]) -> int:
    from vnetmig.cli.incoming import Serving, serve

    serving = Serving(
        values["incoming"],
        values["backend"],
        values["guest"] != "none",
        values["engine"],
        values["rehearsed"],
        values["page_size"],
    )
    return serve(serving, as_json=values["as_json"])


def _migrate(values: dict[str, Any]) -> int:
    from vnetmig.cli.migrating import migrate_all
    from vnetmig.cli.output import write_blocks, write_file, write_json
    from vnetmig.engine import describe, get
    from vnetmig.report.blocks import Note
    from vnetmig.report.migration import run_blocks, trace_lines
    from vnetmig.report.migration_json import runs_json
    from vnetmig.report.run import complete

    plan, notes = _plan(values)
    running = describe() if plan.engine is None else f"engine: {get(plan.engine).NAME}"
    made = migrate_all(plan, notes)
    if values["trace"] is not None:
        text = "".join(line + "\n" for line in trace_lines(made.runs))
        write_file(values["trace"], text.encode("utf-8", "backslashreplace"), *filter(None, [values["stream"]]))
    if values["as_json"]:
        asked = {name: values[name] for name in ("guest", "queue_pairs", "packed", "seed", "backend", "handover")}
        write_json(
            {
                "engine": running.removeprefix("engine: "),
                "asked": asked,
                "notes": made.notes,
                **runs_json(made.runs, made.maps),
            }
        )
    else:
        blocks = run_blocks(made.runs, everything=values["everything"], maps=made.maps)
        write_blocks([*blocks, Note(running)])
    return 0 if complete(made.runs) else DIFFERENCES


def _plan(values: dict[str, Any]) -> tuple[Any, list[str]]:
    """(plan, what is left out of it)."""
    from vnetmig.cli.migrating import Plan
    from vnetmig.cli.modes import chosen
    from vnetmig.cli.outgoing import GuestKind
    from vnetmig.migration.options import Options

    modes, notes = chosen(values["mode"], handover=values["handover"])
    guest = values["guest"]
    plan = Plan(
        values["stream"],
        values["mode"],
        modes,
        values["runs"],
        values["channel"],
        Options(
            used_queues=values["used_queues"],
            switchover_ack=values["switchover_ack"],
            handover=values["handover"],
            bandwidth=values["bandwidth"],
            downtime_limit=values["downtime_limit"],
        ),
        None if guest == "none" else GuestKind(guest, values["queue_pairs"], values["packed"]),
        values["backend"],
        values["seed"],
        values["memory"],
        values["engine"],
        values["map_commit_us"],
    )
    return plan, notes
