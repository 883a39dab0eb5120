"""`vnetmig matrix`: which machine type and which pair of QEMUs works, forward and back.

Knows options and files; the cells are the analysis layer's, their words the report layer's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, Verb

if TYPE_CHECKING:
    from vnetmig.analysis.profile.profile import Profile
    from vnetmig.document.stream import Stream

EXAMPLE = """
vnetmig matrix cmdline:vm.sh
vnetmig matrix cmdline:vm.sh --qemu 7.2 --qemu 10.0.2 --html matrix.html
vnetmig matrix node1.toml node2.toml --csv matrix.csv
vnetmig matrix node1.toml host --stream vm1.qemu --stream vm2.qemu
"""

PROGRESS_FROM = 200
"""Cells below which nobody has time to look at a progress bar."""

_FILE = click.Path(path_type=str, dir_okay=False)


@click.command("matrix", cls=Verb, example=EXAMPLE)
@click.argument("profiles", metavar="PROFILE...", nargs=-1, required=True)
@click.option("--stream", "streams", multiple=True, type=options.PATH, metavar="STREAM", help="Sources: saved streams.")
@click.option("--qemu", multiple=True, metavar="VERSION", help="Only these QEMUs, such as 7.2 and 10.0.13.")
@click.option("--csv", "csv_file", type=_FILE, metavar="FILE", help="Write a line for each pair.")
@click.option("--html", "html_file", type=_FILE, metavar="FILE", help="Write one page that needs nothing else.")
@click.option("--strict", is_flag=True, help="Exit code 1 for warnings, too.")
@click.option(
    "--memory",
    multiple=True,
    type=click.Path(path_type=str),
    metavar="FILE",
    help="Guest memory of each --stream, in the same order; without it a stream's own RAM serves, if it has any.",
)
@options.engine
@options.as_json
def command(
    profiles: tuple[str, ...],
    streams: tuple[str, ...],
    qemu: tuple[str, ...],
    csv_file: str | None,
    html_file: str | None,
    strict: bool,
    memory: tuple[str, ...],
    engine: str | None,
    as_json: bool,
) -> int:
    """Say what becomes of a machine of each source on each destination.

    PROFILE is FILE.toml, cmdline:FILE, qmp:SOCK, stream:FILE or host, as `vnetmig profile` takes it; each is a source
    and a destination, on every QEMU release of --qemu (by default those whose loaders were watched, and its own). A
    command line with -machine pc or q35 is a source of every machine type that those releases brought.

    With --stream the sources are saved machines, and a cell is what `vnetmig check` says of one. Without, it is what a
    guest of that source can have used; where not every guest is refused, the cell says which.

    The exit code is 1 when there is a pair that may not load.
    """
    from vnetmig.analysis.matrix.cell import Outcome
    from vnetmig.analysis.matrix.matrix import matrix
    from vnetmig.cli.output import note, progress, write_blocks, write_file, write_json
    from vnetmig.report.matrix import matrix_blocks, matrix_csv, matrix_json

    if memory and len(memory) != len(streams):
        raise click.UsageError(f"--memory {len(memory)} times, --stream {len(streams)} times: one for each")
    rams: tuple[str | None, ...] = memory or (None,) * len(streams)
    sources = {name: _stream(name, ram, engine) for name, ram in zip(streams, rams, strict=True)}
    named = {name: _profile(name, qemu) for name in profiles}
    with progress("pairs", PROGRESS_FROM) as report:
        found = matrix(named, streams=sources, qemu=qemu, engine=engine, progress=report)
    read = (*streams, *profiles, *(spec.partition(":")[2] for spec in profiles))
    if csv_file is not None:
        write_file(csv_file, matrix_csv(found).encode(), *read)
    if html_file is not None:
        from vnetmig.report.html.matrix import matrix_page

        write_file(html_file, matrix_page(found).encode(), *read)
    if as_json:
        write_json(matrix_json(found))
    else:
        write_blocks(matrix_blocks(found))
    for path in filter(None, (csv_file, html_file)):
        note(f"{path}: written")
    worst = max(cell.outcome for cell in found)
    return DIFFERENCES if not found.loads or (strict and worst > Outcome.WORKS) else 0


def _profile(spec: str, qemu: tuple[str, ...]) -> Profile:
    """A command line whose machine type is an alias does not say its QEMU: then any serves, as it is made for each."""
    from vnetmig.analysis.release import WATCHED
    from vnetmig.errors import FieldError
    from vnetmig.qemu.specs import profile_from

    try:
        return profile_from(spec)
    except FieldError:
        if not spec.startswith("cmdline:"):
            raise
        return profile_from(spec, (*qemu, WATCHED[-1])[0])


def _stream(name: str, memory: str | None, engine: str | None) -> Stream:
    from vnetmig.cli.source import open_input
    from vnetmig.document.load import load

    stream = load(open_input(name), memory=memory, partial=True, engine=engine)
    if not stream.sections and stream.error is not None:
        raise stream.error
    return stream
