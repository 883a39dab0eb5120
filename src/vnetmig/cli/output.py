"""Where a verb's result goes: stdout, as rich tables on a terminal, as plain text in a pipe, or as JSON.

Knows streams and terminals; what is printed comes from the report layer. Progress goes to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from vnetmig.cli.group import PRINTED, to_stdout

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnetmig.report.blocks import Block

PROGRESS_FROM = 16 << 20
"""Bytes of input below which nobody has time to look at a progress bar."""

_BATCH = 1 << 16


def write_blocks(blocks: Iterable[Block]) -> None:
    """Tables on a terminal, aligned text otherwise."""
    from vnetmig.report import text

    if sys.stdout.isatty():
        from rich.console import Console

        console = Console(highlight=False)
        for renderable in text.rich(blocks):
            with to_stdout():
                console.print(renderable)
        return
    _write(line + "\n" for line in text.plain(blocks))


def write_json(value: Mapping[str, Any]) -> None:
    """The verb's one JSON object; an error after it is not said as a second one."""
    from vnetmig.report.json import pieces

    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[PRINTED] = True
    _write(pieces(dict(value)))
    _put("\n")


def _write(pieces: Iterable[str]) -> None:
    batch: list[str] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size > _BATCH:
            _put("".join(batch))
            batch, size = [], 0
    _put("".join(batch))


def _put(text: str) -> None:
    with to_stdout():
        sys.stdout.write(text)


def write_line(text: str) -> None:
    """One line that somebody may be waiting for."""
    with to_stdout():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def write_file(path: str, data: bytes, *inputs: str) -> None:
    """Put ``data`` where ``path`` says, whole or not at all; never over one of the files that were read."""
    from vnetmig.document.saving import replaced

    for name in inputs:
        if os.path.exists(name) and os.path.exists(path) and os.path.samefile(name, path):
            raise click.UsageError(f"{path} is what was read: it is not written over")
    try:
        with replaced(path) as file:
            file.write(data)
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from error


def note(text: str) -> None:
    """A line for people beside the result."""
    from vnetmig.report.escape import safe

    sys.stderr.write(safe(text) + "\n")


@contextmanager
def progress(what: str, least: int = PROGRESS_FROM) -> Iterator[Callable[[int, int], None]]:
    """A function (done, total) that draws a bar on stderr, if that is a terminal and ``total`` at least ``least``."""
    bar: Any = None
    task: Any = None

    def report(done: int, total: int) -> None:
        nonlocal bar, task
        if total < least or not sys.stderr.isatty():
            return
        if bar is None:
            from rich.console import Console
            from rich.progress import Progress

            bar = Progress(console=Console(stderr=True), transient=True)
            bar.start()
            task = bar.add_task(what, total=total)
        bar.update(task, completed=done, total=total)

    try:
        yield report
    finally:
        if bar is not None:
            bar.stop()


@contextmanager
def counted(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A function that counts one more, on a bar on stderr, if that is a terminal. ``total`` None: not known."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
