"""`vnetmig check`: what a destination would say to streams, before anybody migrates.

Knows options and files; the rules are the analysis layer's, wording the report layer's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vnetmig.cli import options
from vnetmig.cli.group import DIFFERENCES, UNREADABLE, Verb

if TYPE_CHECKING:
    from vnetmig.analysis.finding import CheckResult, Severity
    from vnetmig.analysis.fleet import Destination
    from vnetmig.cli.source import Input

EXAMPLE = """
vnetmig check vm.qemu --qemu 7.2 --qemu 11.1
vnetmig check vm.qemu --against cmdline:vm.sh --qemu 10.0.13 --memory rings.json.xz
vnetmig check vm.qemu --against qmp:/run/vm/qmp.sock --source cmdline:source.sh
vnetmig check /var/lib/saved --against host --json | jq -r 'select(.loads == false) | .path'
find /var/lib/saved -name '*.save' | vnetmig check - --against new-host.toml --strict
"""


@click.command("check", cls=Verb, example=EXAMPLE)
@click.argument("streams", metavar="STREAM...", type=str, nargs=-1, required=True)
@options.against
@click.option("--qemu", multiple=True, metavar="VERSION", help="The destination's QEMU; several: a verdict for each.")
@options.memory
@click.option("--source", metavar="SPEC", help="Where the streams come from, for what only shows after a reboot.")
@click.option("--strict", is_flag=True, help="Exit 1 for everything worse than an assumption.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes for many streams; else one per CPU."
)
@click.option("--dask", metavar="ADDRESS", help="Check many streams on the Dask cluster whose scheduler is there.")
@options.engine
@options.as_json
def command(
    streams: tuple[str, ...],
    against: str | None,
    qemu: tuple[str, ...],
    memory: str | None,
    source: str | None,
    strict: bool,
    workers: int | None,
    dask: str | None,
    engine: str | None,
    as_json: bool,
) -> int:
    """Say what QEMU would say to STREAM: whether it loads, and if not, where, why, in QEMU's own words, and what to do.

    SPEC, the destination, is a profile FILE.toml, cmdline:FILE (its command line), qmp:SOCK (a running QEMU),
    stream:FILE (what another stream proves), host (this host's kernel) or self (made as the source was), the default.
    With several --qemu there is a verdict for each release.

    Of several STREAMs, of a folder (all streams below it) and of @LIST or - (paths in a file or on stdin, one a line)
    each gets one line, in order, as soon as it is known; a summary follows. A stream itself on stdin is known by its
    first bytes. With --json each stream is one JSON line.

    The exit code is 0 when all load, 1 when QEMU refuses one or does not survive it (--strict: or warns), and 3 when
    one cannot be read and none is refused.
    """
    from vnetmig.cli.destination import destinations
    from vnetmig.cli.stream_paths import Given

    given = Given.of(streams)
    asked, releases = destinations(against, qemu)
    came_from = None if source is None else destinations(source, qemu)[0][0]
    if given.single is None:
        if memory is not None:
            raise click.UsageError("--memory: of one stream only")
        from vnetmig.cli.check_many import check_many

        summary = check_many(given, asked, releases, came_from, engine, workers, dask, as_json=as_json)
        if summary.worst is None or (not _is_bad(summary.worst, strict=strict) and summary.verdicts[None]):
            return UNREADABLE  # also where there was nothing to check: a wrong path must not look like good news
        return DIFFERENCES if _is_bad(summary.worst, strict=strict) else 0
    results = _results(given.single, asked, releases, memory, came_from, engine)
    if as_json:
        from vnetmig.cli.output import write_json
        from vnetmig.report.check import check_json

        write_json(check_json(given.name, results))
    else:
        from vnetmig.cli.output import write_blocks
        from vnetmig.report.check import check_blocks

        write_blocks(check_blocks(given.name, results))
    return DIFFERENCES if any(_is_bad(result.worst, strict=strict) for result in results) else 0


def _results(
    stream: Input,
    asked: tuple[Destination, ...],
    releases: tuple[str, ...],
    memory: str | None,
    source: Destination | None,
    engine: str | None,
) -> list[CheckResult]:
    from vnetmig.analysis.check.check import check
    from vnetmig.cli.output import progress
    from vnetmig.document.load import load

    with progress("reading") as report:
        document = load(stream, memory=memory, partial=True, engine=engine, progress=report)
    if document.error is not None and not document.input:  # nothing came out of what is around the stream
        raise document.error
    return [
        check(document, against, qemu=release, source=source, engine=engine)
        for against in asked
        for release in releases or (None,)
    ]


def _is_bad(worst: Severity, *, strict: bool) -> bool:
    from vnetmig.analysis.finding import Severity

    return worst >= (Severity.WARNING if strict else Severity.REFUSED)
