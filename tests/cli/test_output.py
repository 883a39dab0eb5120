"""What is drawn on a terminal beside the result, and what is not where stderr is none."""

from __future__ import annotations

import io
import sys

import pytest

from vnetmig.cli import relay
from vnetmig.cli.output import counted, progress, write_json
from vnetmig.migration.account import Account


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    return made


def test_a_bar_from_the_first_report_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with progress("reading", least=10) as report:
        report(1, 9)
        assert not terminal.getvalue()
        report(1, 20)
        report(20, 20)
    assert "reading" in terminal.getvalue()


def test_no_bar_where_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress("reading", least=0) as report, counted("migrations", 2) as one_more:
        report(1, 2)
        one_more()
    assert not sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with counted("migrations", 2) as one_more:
        one_more()
        one_more()
    assert "migrations" in terminal.getvalue() and "2/2" in terminal.getvalue()


def test_a_relayed_migration_is_one_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with relay._followed() as follow:
        assert follow is not None
        follow(Account(size=2_500_000))
    assert "2.5 MB" in terminal.getvalue() and terminal.getvalue().endswith("\r\x1b[K")


def test_json_outside_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"n": 1})
    assert capsys.readouterr().out == '{"n": 1}\n'
