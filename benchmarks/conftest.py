"""Contests of a benchmark session: run when first asked for, printed as one table of ratios at the end.

``contest(name, calls, reference)`` gives the contest of that name, run once; ``measured(contest, candidate)`` is the
pytest-benchmark entry of one candidate in it, with the ratios in ``extra_info``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from race import SLOT_SECONDS, SLOTS, Contest, table

Build = Callable[[], Mapping[str, Callable[[], object]]]

_contests: dict[str, Contest] = {}

ROUNDS, ROUNDS_SLOW, SLOW = 15, 3, 0.05


@pytest.fixture(scope="session")
def contest() -> Callable[..., Contest]:
    def find(name: str, build: Build, reference: tuple[str, ...], slots: int = SLOTS) -> Contest:
        if name not in _contests:
            found = Contest(name, build(), reference, slots=slots)
            found.run()
            _contests[name] = found
        return _contests[name]

    return find


@pytest.fixture
def measured(benchmark: Any) -> Callable[[Contest, str], None]:
    def run(contest: Contest, candidate: str) -> None:
        if candidate not in contest.calls:
            pytest.skip(f"{candidate} is not installed")
        seconds = contest.seconds[candidate]
        benchmark.group = contest.name
        benchmark.extra_info["median_seconds_in_turns"] = seconds
        benchmark.extra_info["times_as_long"] = contest.ratios(candidate)
        benchmark.pedantic(
            contest.calls[candidate],
            rounds=ROUNDS if seconds < SLOW else ROUNDS_SLOW,
            iterations=max(1, int(SLOT_SECONDS / seconds)),
        )

    return run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _contests:
        return
    terminalreporter.section("ratios (medians, candidates in turns)")
    for found in _contests.values():
        terminalreporter.write_line("")
        for line in table(found):
            terminalreporter.write_line(line)
