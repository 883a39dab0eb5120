"""Which options of `vnetmig migrate` make sense together, as a table.

Knows names of options and why two of them do not go together; knows nothing of what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import click
from click.core import ParameterSource

Values = Mapping[str, Any]

SOURCES: Final = (
    "stream", "mode", "runs", "channel", "trace", "everything", "memory", "queue_pairs", "packed", "seed", "bandwidth",
    "downtime_limit", "used_queues", "switchover_ack", "handover", "map_commit_us",
)  # fmt: skip
"""Options of a source: a destination does what the stream says."""

Rule = tuple[str, Callable[[Values], bool], str]


def _serves(values: Values) -> bool:
    return values["incoming"] is not None


def _has_no_guest(values: Values) -> bool:
    return bool(values["guest"] == "none")


#    option given        does not go when                 because
RULES: Final[tuple[Rule, ...]] = (
    *((name, _serves, "is the source's, and --incoming is a destination") for name in SOURCES),
    ("queue_pairs", _has_no_guest, "is of the device that a guest drives: add --guest busy"),
    ("packed", _has_no_guest, "is of the device that a guest drives: add --guest busy"),
    ("seed", _has_no_guest, "is where a guest's random numbers begin: add --guest busy"),
    (
        "memory",
        lambda values: not _has_no_guest(values),
        "has pages of a recorded guest, and a running one has its own: add --guest none",
    ),
    ("downtime_limit", _has_no_guest, "decides when a guest is stopped, and there is none: add --guest busy"),
    (
        "downtime_limit",
        lambda values: values["bandwidth"] is None,
        "is as many bytes as the bandwidth carries in that time: add --bandwidth",
    ),
)


def given(context: click.Context) -> set[str]:
    """The parameters that somebody wrote, by name."""
    return {
        name for name in context.params if context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
    }


def check(written: Collection[str], values: Values, context: click.Context | None = None) -> None:
    """click.UsageError for the first of ``written`` that the others leave without a meaning."""
    for name, goes_not, why in RULES:
        if name in written and goes_not(values):
            raise click.UsageError(f"{_spelled(name, context)} {why}", context)


def _spelled(name: str, context: click.Context | None) -> str:
    """As it is written on the command line."""
    for parameter in context.command.params if context is not None else ():
        if parameter.name == name:
            return parameter.opts[0] if isinstance(parameter, click.Option) else name.upper()
    return name
