"""Options that several verbs have, once.

Knows click's decorators only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])

PATH = click.Path(path_type=str, allow_dash=True)


def as_json(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def memory(function: F) -> F:
    return click.option(
        "--memory",
        type=click.Path(path_type=str),
        metavar="FILE",
        help="Guest memory for the rings: pages {address: base64} as JSON (.xz, .gz), or a RAM file."
        " Without it the stream's own RAM serves, if it has any.",
    )(function)


def against(function: F) -> F:
    return click.option(
        "--against", metavar="SPEC", help="The destination: FILE.toml, cmdline:FILE, qmp:SOCK, stream:FILE, host, self."
    )(function)


def engine(function: F) -> F:
    return click.option("--engine", metavar="NAME", help="c or python; by default the one that --version shows.")(
        function
    )
