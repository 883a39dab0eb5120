"""`vnetmig check` of many streams: a line each, as soon as it is known, and a summary.

Knows where the work is done and what is printed when; checking is the analysis layer's, wording the report layer's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from vnetmig.analysis.fleet import Destination, check_files
from vnetmig.cli.group import PRINTED
from vnetmig.cli.output import counted, write_blocks, write_line
from vnetmig.cli.stream_paths import Given
from vnetmig.report.check import Summary, file_json, file_line

if TYPE_CHECKING:
    from concurrent.futures import Executor

CONNECT_SECONDS = 10


def check_many(
    given: Given,
    against: tuple[Destination, ...],
    releases: tuple[str, ...],
    source: Destination | None,
    engine: str | None,
    workers: int | None,
    dask: str | None,
    *,
    as_json: bool,
) -> Summary:
    summary = Summary()
    if as_json:
        click.get_current_context().meta[PRINTED] = True
    with nullcontext((None, workers)) if dask is None else _cluster(dask) as (executor, many):
        found = check_files(
            given.paths, against, qemu=releases, source=source, executor=executor, workers=many, engine=engine
        )
        with closing(found), counted("checking", given.total) as one_more:
            for one in found:
                summary.add(one)
                write_line(json.dumps(file_json(one)) if as_json else file_line(one))
                one_more()
    if not as_json:
        write_line("")
        write_blocks(summary.blocks())
    return summary


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """(the executor of a Dask cluster, how many tasks it runs at a time)."""
    try:
        from distributed import Client
    except ImportError as error:
        raise click.UsageError("--dask: Dask is not installed; pip install 'vnetmig[fleet]'") from error
    try:
        connect: Any = Client
        client = connect(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--dask {address}: no scheduler answers there: {error}") from error
    with client:
        yield client.get_executor(), max(1, sum(client.nthreads().values()))
