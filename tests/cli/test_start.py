"""--help, --version, usage errors: what every verb has in common, and what starting costs."""

from __future__ import annotations

import io
import subprocess
import sys

import click
import pytest
from command_line import run, spawn

from vnetmig.cli import VERBS, main
from vnetmig.cli.group import PIPE_CLOSED, exit_code
from vnetmig.engine import engines


def test_help_lists_the_verbs() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for verb in VERBS:
        assert f"\n  {verb} " in result.stdout
    assert "3 unreadable input" in " ".join(result.stdout.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example_and_json(verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout and f"vnetmig {verb}" in result.stdout
    assert "--json" in result.stdout


def test_version_names_the_engine() -> None:
    result = run("--version")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("vnetmig ") and second.startswith(f"engine: {engines()[0]}")


def test_version_says_why_it_is_not_the_c_engine() -> None:
    result = spawn("--version", env={"VNETMIG_ENGINE": "python"})
    assert "engine: python (" in result.stdout and "VNETMIG_ENGINE" in result.stdout


def test_an_engine_that_nobody_knows_is_wrong_usage() -> None:
    result = spawn("--version", env={"VNETMIG_ENGINE": "fortran"})
    assert result.returncode == 2
    assert "fortran" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("args", [["inspekt"], ["inspect"], ["recode"], ["migrate", "--runs", "0"], ["inspect", "--x"]])
def test_wrong_usage_is_2(args: list[str]) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr and not result.stdout


def test_starting_loads_no_layer() -> None:
    """Neither help nor the version may cost what a stream costs."""
    code = """
import sys
from vnetmig.cli import main
try:
    main(["--help"], prog_name="vnetmig")
except SystemExit:
    pass
print(*sorted(name for name in sys.modules if name.startswith(("vnetmig.", "rich", "numpy"))))
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = made.stdout.splitlines()[-1].split()
    assert loaded == ["vnetmig.cli", "vnetmig.cli.group", "vnetmig.errors"]


def test_verbs_are_listed_for_completion() -> None:
    assert main.list_commands(click.Context(main)) == [*VERBS]


def test_as_a_function_it_gives_the_exit_code_and_raises() -> None:
    assert main.main(["explain", "mq"], standalone_mode=False) == 0
    with pytest.raises(click.UsageError):
        main.main(["inspekt"], standalone_mode=False)


def test_a_reader_that_leaves_a_stdout_without_a_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert exit_code(closed) == PIPE_CLOSED
