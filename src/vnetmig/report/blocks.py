"""What a report in text is made of: facts, tables and notes, in order.

Knows cells as they will be read; knows neither terminals nor what the cells are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    right: bool = False
    """Numbers stand at the right."""


@dataclass(slots=True)
class Table:
    """``rows`` have one cell per column. The last column may be long: it is the one that wraps."""

    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Lines below the table."""


@dataclass(slots=True)
class Facts:
    """Names with their values, one per line."""

    title: str
    pairs: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Note:
    """One line by itself."""

    text: str


Block: TypeAlias = Table | Facts | Note


def columns(*names: str) -> tuple[Column, ...]:
    """Columns by name; ``>`` in front of a name puts it at the right.

    >>> [c.right for c in columns(">size", "path")]
    [True, False]
    """
    return tuple(Column(name.removeprefix(">"), name.startswith(">")) for name in names)


def listed(values: Sequence[object], most: int = 12) -> str:
    """Values with commas; how many more there are when there are many."""
    shown = ", ".join(map(str, values[:most]))
    return f"{shown}, and {len(values) - most} more" if len(values) > most else shown
