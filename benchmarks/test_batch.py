"""A thousand devices: single calls, one batch, and two threads with half of them each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from batches import BATCH, CANDIDATES, DEVICES, ONE_THREAD, TWO_THREADS, Calls, loads_of, saves_of, threads

from vnetmig.document.workload import Workload, net4
from vnetmig.engine import engines


@pytest.mark.parametrize("candidate", CANDIDATES)
@pytest.mark.parametrize(("direction", "calls_of"), [("save", saves_of), ("load", loads_of)])
def test_batch(
    measured: Callable[[Any, str], None],
    contest: Callable[..., Any],
    direction: str,
    calls_of: Callable[[Workload, int], Calls],
    candidate: str,
) -> None:
    reference = tuple(f"{name} {BATCH}" for name in engines())
    build = partial(calls_of, net4(), DEVICES)
    measured(contest(f"{direction} {DEVICES:,} times net4", build, reference), candidate)


@pytest.mark.skipif("c" not in engines(), reason="the Python engine keeps the interpreter's lock")
@pytest.mark.parametrize("candidate", [ONE_THREAD, TWO_THREADS])
def test_threads(measured: Callable[[Any, str], None], contest: Callable[..., Any], candidate: str) -> None:
    measured(contest("batches in threads", lambda: threads(net4(), "c"), (TWO_THREADS,)), candidate)
