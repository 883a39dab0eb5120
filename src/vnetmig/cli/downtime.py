"""`vnetmig downtime`: what each device costs while the guest stands still, and whether a difference is real.

Knows options and files; statistics are the analysis layer's, wording and pictures the report layer's.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from vnetmig.cli import options
from vnetmig.cli.group import Verb

EXAMPLE = """
vnetmig downtime source.log destination.log
vnetmig downtime source.log destination.log --ping ping.log --query-migrate query.json
vnetmig downtime --runs runs/ --html downtime.html
vnetmig downtime --runs qemu-10.0/ --runs qemu-11.1/ --device virtio-scsi
vnetmig downtime source.log destination.log --chrome-trace trace.json
"""

_FILE = click.Path(path_type=str, dir_okay=False)
_FOLDER = click.Path(path_type=str, file_okay=False)


@click.command("downtime", cls=Verb, example=EXAMPLE)
@click.argument("source", type=_FILE, required=False)
@click.argument("destination", type=_FILE, required=False)
@click.option("--runs", multiple=True, type=_FOLDER, metavar="DIR", help="A folder of logs; several are compared.")
@click.option("--query-migrate", type=_FILE, metavar="FILE", help="QEMU's answers to query-migrate, as JSON.")
@click.option("--ping", type=_FILE, metavar="FILE", help="What `ping -D` of the guest printed meanwhile.")
@click.option("--device", default="virtio-net", show_default=True, metavar="NAME", help="Whose gain it is about.")
@click.option("--series", metavar="NAME", help="Only these runs: 1q of 1q-runs.jsonl.")
@click.option(
    "--warm-up", type=click.IntRange(0), metavar="N", help="Migrations at the beginning of a series that do not count."
)
@click.option("--all", "everything", is_flag=True, help="Every device, not only the longest and those that moved.")
@click.option("--html", "html_file", type=_FILE, metavar="FILE", help="Write one page that needs nothing else.")
@click.option("--svg", "svg_folder", type=_FOLDER, metavar="DIR", help="Write the pictures of the page as files.")
@click.option("--chrome-trace", "trace_file", type=_FILE, metavar="FILE", help="Write a trace for Perfetto.")
@options.as_json
def command(
    source: str | None,
    destination: str | None,
    runs: tuple[str, ...],
    query_migrate: str | None,
    ping: str | None,
    device: str,
    series: str | None,
    warm_up: int | None,
    everything: bool,
    html_file: str | None,
    svg_folder: str | None,
    trace_file: str | None,
    as_json: bool,
) -> int:
    """Say what each device took while the guest stood still: of trace logs of QEMU 8.2 and later.

    SOURCE and DESTINATION are logs of both sides, written with -trace 'vmstate_downtime_*' -D FILE; other lines in them
    are passed over, and one log may hold both sides. With -msg timestamp=on they tell the time between the sides too.

    A DIR of --runs holds *-runs.jsonl (a line for each migration: its logs, its arm, its number), or the logs of a
    chain of machines (vm00.log, vm01.log, ...). Arms of one folder, or several folders, are compared: by Welch's test,
    by Wilcoxon's, and by random signs where arms took turns. The first block of two of each *-runs.jsonl is left out:
    its guest was freshly booted.

    "All devices" is everything but the last pass over RAM. --html and --svg need matplotlib (pip install
    'vnetmig[report]').
    """
    from vnetmig.analysis.downtime.downtime import downtime
    from vnetmig.analysis.downtime.run_folder import files_of
    from vnetmig.cli.output import note, write_blocks, write_file, write_json
    from vnetmig.report.downtime_json import downtime_json
    from vnetmig.report.downtime_log import downtime_blocks
    from vnetmig.report.json import pieces

    if html_file is not None and trace_file is not None and os.path.realpath(html_file) == os.path.realpath(trace_file):
        raise click.UsageError("--html and --chrome-trace: two files, please")
    if bool(runs) == bool(source):
        raise click.UsageError("name the logs of a source and a destination, or folders with --runs")
    found = downtime(
        source,
        destination,
        runs=runs,
        query_migrate=query_migrate,
        ping=ping,
        device=device,
        series=series,
        warm_up=warm_up,
    )
    read = [path for path in (source, destination, query_migrate, ping) if path is not None]
    read += [str(path) for folder in runs for path in files_of(Path(folder))]
    written = []
    if html_file is not None:
        from vnetmig.report.html.downtime import downtime_page

        write_file(html_file, downtime_page(found).encode(), *read)
        written.append(html_file)
    if svg_folder is not None:
        from vnetmig.report.figures.downtime import figures_of
        from vnetmig.report.figures.drawing import svg

        os.makedirs(svg_folder, exist_ok=True)
        for drawn in figures_of(found):
            path = os.path.join(svg_folder, f"{drawn.name}.svg")
            write_file(path, svg(drawn.figure), *read)
            written.append(path)
    if trace_file is not None:
        from vnetmig.report.chrome_trace import chrome_trace

        write_file(trace_file, "".join(pieces(chrome_trace(found))).encode("ascii"), *read)
        written.append(trace_file)
    if as_json:
        write_json(downtime_json(found))
    else:
        write_blocks(downtime_blocks(found, everything=everything))
    for path in written:
        note(f"{path}: written")
    return 0
