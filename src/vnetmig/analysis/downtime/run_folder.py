"""A folder of runs: which log is whose source and destination.

Knows two forms. ``*-runs.jsonl`` has a line for each migration, with the names of its logs and its arm; the first block
of two begins with a freshly booted guest and is left out. Otherwise ``*NN.log`` are the processes of a chain: each was
the destination of one migration and the source of the next, so its log holds both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from vnetmig.analysis.downtime.hop import Hop
from vnetmig.analysis.downtime.query_migrate import figures, json_objects, read_query_migrate
from vnetmig.analysis.downtime.side import Role, Side
from vnetmig.analysis.downtime.trace_log import Log, read_log
from vnetmig.errors import StreamError

BLOCK: Final = 2
"""Migrations in which each arm had its turn."""

WARM_UP: Final = {"runs": BLOCK, "chain": 0}
"""Migrations at the beginning that do not count, by the form of the folder."""

RUNS_MAX: Final = 1 << 17
OFF_ON: Final = ("off", "on")

_RUNS = "-runs.jsonl"
_ANSWERS = "query-migrate.json"
_CHAIN = re.compile(r"(\D*?)(\d{1,9})\.log")


@dataclass(frozen=True)
class Folder:
    """``hops`` that count; ``left_out``: of the warm-up; ``broken``: what has no two sides, in words."""

    hops: list[Hop] = field(default_factory=list)
    left_out: list[Hop] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def read_folder(path: Path, warm_up: int | None = None, name: str | None = None) -> Folder:
    """StreamError when nothing in it is of either form. ``warm_up``: how many of each series do not count; ``name``:
    what a chain is called, by default as its folder."""
    tables = sorted(path.glob(f"*{_RUNS}"))
    found = Folder()
    if tables:
        logs: dict[str, Log] = {}
        for table in tables:
            sort(_of_table(table, logs, found.broken), WARM_UP["runs"] if warm_up is None else warm_up, found)
    else:
        chain = _of_chain(path, path.resolve().name if name is None else name, found.broken)
        sort(chain, WARM_UP["chain"] if warm_up is None else warm_up, found)
    if not found.hops:
        raise StreamError(
            f"{path}: no runs of migrations",
            expected=f"*{_RUNS} with the logs that it names, or the logs of a chain (vm00.log, vm01.log, ...)",
            got=f"{len(found.left_out)} of the warm-up" if found.left_out else "; ".join(found.broken[:3]) or "none",
        )
    return found


def files_of(path: Path) -> list[Path]:
    """Everything in it that may be read."""
    return [*path.glob(f"*{_RUNS}"), *path.glob("*.log"), path / _ANSWERS]


def sort(hops: Iterable[Hop], warm_up: int, into: Folder) -> None:
    """Those of the warm-up do not count."""
    for hop in hops:
        (into.left_out if hop.number < warm_up else into.hops).append(hop)


def _of_table(table: Path, logs: dict[str, Log], broken: list[str]) -> Iterator[Hop]:
    series = table.name.removesuffix(_RUNS)
    with table.open("rb") as file:
        runs = list(json_objects(file, str(table)))
    for place, run in enumerate(runs):
        if place >= RUNS_MAX:
            raise StreamError(f"{table}: no runs of migrations", expected=f"at most {RUNS_MAX}", got="more")
        number = run.get("k", place)
        if not isinstance(number, int) or not 0 <= number < RUNS_MAX:
            raise _bad_run(table, place, "k", "a number that counts migrations", number)
        source = _side(_log(table, place, run, "src", logs), Role.SOURCE)
        destination = _side(_log(table, place, run, "dst", logs), Role.DESTINATION)
        if source is None or destination is None:
            broken.append(
                f"{series} #{number}: its {'source' if source is None else 'destination'} did not get through"
            )
            continue
        yield Hop(series, number, _arm(table, place, run), source, destination, number // BLOCK, figures(run))


def _arm(table: Path, place: int, run: Mapping[str, object]) -> str:
    arm, on = run.get("arm"), run.get("on")
    if isinstance(arm, str) and arm:
        return arm
    if isinstance(on, bool):
        return OFF_ON[on]
    raise _bad_run(table, place, "on", "true or false (or a name in 'arm')", on)


def _log(table: Path, place: int, run: Mapping[str, object], key: str, logs: dict[str, Log]) -> Log:
    name = run.get(key)
    if not isinstance(name, str) or not _is_file_name(name):
        raise _bad_run(table, place, key, "the name of a log beside it", name)
    if name not in logs:
        logs[name] = _read(table.with_name(name))
    return logs[name]


def _is_file_name(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # JSON can write half a character
        return False
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def _bad_run(table: Path, place: int, key: str, expected: str, got: object) -> StreamError:
    return StreamError(f"{table}: run {place}", field=key, expected=expected, got=repr(got)[:80])


def _side(log: Log, role: Role) -> Side | None:
    """A source that was cancelled tried again: the last one that got through is the migration."""
    return next(iter(log.of(role)[::-1]), None)


def _of_chain(path: Path, called: str, broken: list[str]) -> Iterator[Hop]:
    named = [(found, log) for log in path.glob("*.log") if (found := _CHAIN.fullmatch(log.name))]
    chain = [(found[1], int(found[2]), _read(log)) for found, log in named]
    chain.sort(key=lambda process: process[:2])
    answers = path / _ANSWERS
    told: list[dict[str, float]] = []
    if answers.exists():
        with answers.open("rb") as file:
            told = read_query_migrate(file, str(answers))
    for (name, number, before), (next_name, next_number, after) in pairwise(chain):
        hop = number - chain[0][1]
        source, destination = _side(before, Role.SOURCE), _side(after, Role.DESTINATION)
        if (name, number + 1) != (next_name, next_number):
            broken.append(f"{before.name} -> {after.name}: the log between them is missing")
        elif source is None or destination is None:
            broken.append(f"{before.name} -> {after.name}: no {'save' if source is None else 'load'} that got through")
        else:
            yield Hop(called, hop, called, source, destination, None, told[hop] if hop < len(told) else {})


def _read(path: Path) -> Log:
    if path.exists() and not path.is_file():  # a pipe would never end
        raise StreamError(f"{path}: no trace log", expected="a file", got="something else")
    with path.open("rb") as file:
        return read_log(file, path.name)
