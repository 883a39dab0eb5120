"""Options that do not go together are wrong usage, and the message says why."""

from __future__ import annotations

import click
import pytest
from command_line import SAMPLE, run

from vnetmig.cli.combinations import RULES, SOURCES, check
from vnetmig.cli.migrate import command


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--incoming", "unix:/tmp/x", SAMPLE), "STREAM is the source's"),
        (("--incoming", "unix:/tmp/x", "--mode", "stock"), "--mode is the source's"),
        (("--incoming", "unix:/tmp/x", "--guest", "busy", "--packed"), "--packed is the source's"),
        (("--incoming", "unix:/tmp/x", "--no-handover"), "--handover is the source's"),
        (("--guest", "none", "--queue-pairs", "2"), "--queue-pairs is of the device that a guest drives"),
        ((SAMPLE, "--packed"), "--packed is of the device that a guest drives"),
        ((SAMPLE, "--seed", "3"), "--seed is where a guest's"),
        (("--memory", SAMPLE), "--memory has pages of a recorded guest"),
        ((SAMPLE, "--guest", "busy", "--memory", SAMPLE), "--memory has pages of a recorded guest"),
        (("--downtime-limit", "20"), "add --bandwidth"),
        ((SAMPLE, "--bandwidth", "1M", "--downtime-limit", "20"), "there is none: add --guest busy"),
        (("--mode", "early", "--no-handover"), "--mode early does not go with --no-handover"),
        (("--bandwidth", "fast"), "expected a number of bytes such as 500k, 64M or 1.5G"),
        (("--bandwidth", "0.1"), "expected a number of bytes"),
    ],
)
def test_wrong_usage_says_why(args: tuple[object, ...], why: str) -> None:
    result = run("migrate", *map(str, args))
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())


def test_every_rule_is_about_an_option_that_there_is() -> None:
    names = {parameter.name for parameter in command.params}
    assert {name for name, _, _ in RULES} <= names
    assert names - set(SOURCES) == {"guest", "backend", "incoming", "rehearsed", "page_size", "engine", "as_json"}


def test_without_a_command_line_names_are_those_of_the_values() -> None:
    values = {"incoming": "unix:/tmp/x", "stream": None, "mode": "stock"}
    with pytest.raises(click.UsageError, match=r"^mode is the source's"):
        check({"mode"}, values)
