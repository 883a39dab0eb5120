"""Blocks as plain text and as rich tables: the same cells, escaped."""

from __future__ import annotations

import io

from rich.console import Console

from vnetmig.report import text
from vnetmig.report.blocks import Facts, Note, Table, columns, listed

EVIL = "na\x1b[31mme"


def table() -> Table:
    made = Table("a title", columns(">size", "name", "what"))
    made.rows += [("7", "short", ""), ("1234", EVIL, "[bold]not markup[/bold]")]
    made.notes.append("a note")
    return made


def test_plain_columns_are_aligned() -> None:
    assert list(text.plain([table()])) == [
        "a title",
        "size  name          what",
        "   7  short",
        "1234  na\\x1b[31mme  [bold]not markup[/bold]",
        "a note",
    ]


def test_plain_facts_and_notes() -> None:
    blocks = [Facts("head", [("a", "1"), ("long", EVIL)]), Note("x"), Note("y"), Facts("", [("b", "2")])]
    assert list(text.plain(blocks)) == ["head", "a     1", "long  na\\x1b[31mme", "x", "y", "", "b  2"]


def test_nothing() -> None:
    assert list(text.plain([Table("", columns("a", "b"))])) == ["a  b"]


def shown(made: Table) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    for renderable in text.rich([made]):
        console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rich_shows_the_same_and_interprets_nothing() -> None:
    made = shown(table())
    assert "\x1b" not in made
    assert "[bold]not markup[/bold]" in made and "na\\x1b[31mme" in made and "a note" in made


def test_a_long_table_is_plain_on_a_terminal_too() -> None:
    long = Table("", columns(">n", "x"), [(str(n), EVIL) for n in range(text.RICH_ROWS + 1)])
    made = shown(long)
    assert "─" not in made and f"{text.RICH_ROWS}  na\\x1b[31mme" in made


def test_listed() -> None:
    assert listed([1, 2, 3]) == "1, 2, 3"
    assert listed(range(5), 3) == "0, 1, 2, and 2 more"


def test_rich_facts_without_a_title() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    for renderable in text.rich([Facts("", [("name", EVIL)])]):
        console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().split() == ["name", "na\\x1b[31mme"]
