"""Blocks as text: aligned columns for pipes and files, rich tables for terminals.

Knows layout only. Every cell is escaped here, so no builder of blocks can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vnetmig.report.blocks import Block, Facts, Note, Table
from vnetmig.report.escape import safe

if TYPE_CHECKING:
    from rich.console import RenderableType

RICH_ROWS = 1000
"""A longer table is plain on a terminal too: laying it out cell by cell would take seconds."""

_GAP = "  "


def plain(blocks: Iterable[Block]) -> Iterator[str]:
    """Lines without line ends; blocks apart by an empty line."""
    for number, block in enumerate(blocks):
        if number and not isinstance(block, Note):
            yield ""
        if isinstance(block, Note):
            yield safe(block.text)
        elif isinstance(block, Facts):
            yield from _plain_facts(block)
        else:
            yield from _plain_table(block)


def _plain_facts(facts: Facts) -> Iterator[str]:
    if facts.title:
        yield safe(facts.title)
    width = max((len(name) for name, _ in facts.pairs), default=0)
    for name, value in facts.pairs:
        yield f"{safe(name):{width}}{_GAP}{safe(value)}".rstrip()


def _plain_table(table: Table) -> Iterator[str]:
    if table.title:
        yield safe(table.title)
    rows = [[safe(cell) for cell in row] for row in table.rows]
    names = [column.name for column in table.columns]
    widths = [max([len(name), *(len(row[i]) for row in rows)]) for i, name in enumerate(names)]
    for row in [names, *rows]:
        cells = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        )
        yield _GAP.join(cells).rstrip()
    yield from map(safe, table.notes)


def rich(blocks: Iterable[Block]) -> Iterator[RenderableType]:
    """What a rich console prints, one after the other."""
    from rich.text import Text

    for number, block in enumerate(blocks):
        if number and not isinstance(block, Note):
            yield Text()
        if isinstance(block, Note):
            yield Text(safe(block.text))
        elif isinstance(block, Facts):
            yield from _rich_facts(block)
        elif len(block.rows) > RICH_ROWS:
            yield from map(Text, _plain_table(block))
        else:
            yield from _rich_table(block)


def _rich_facts(facts: Facts) -> Iterator[RenderableType]:
    from rich.table import Table as Grid
    from rich.text import Text

    if facts.title:
        yield Text(safe(facts.title), style="bold")
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.pairs:
        grid.add_row(Text(safe(name), style="dim"), Text(safe(value)))
    yield grid


def _rich_table(table: Table) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    if table.title:
        yield Text(safe(table.title), style="bold")
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        grid.add_column(column.name, justify="right" if column.right else "left", no_wrap=column.right, overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(safe(cell)) for cell in row))
    yield grid
    for note in table.notes:
        yield Text(safe(note), style="dim")
