"""A thousand devices: single calls, one batch, and two threads with half of them each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from batches import BATCH, CANDIDATES, DEVICES, ONE_THREAD, TWO_THREADS, saves_of, threads

from vnetmig.document.workload import net4
from vnetmig.engine import engines


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_batch(measured: Callable[[Any, str], None], contest: Callable[..., Any], candidate: str) -> None:
    reference = tuple(f"{name} {BATCH}" for name in engines())
    measured(contest(f"save {DEVICES:,} times net4", lambda: saves_of(net4(), DEVICES), reference), candidate)


@pytest.mark.skipif("c" not in engines(), reason="the Python engine keeps the interpreter's lock")
@pytest.mark.parametrize("candidate", [ONE_THREAD, TWO_THREADS])
def test_threads(measured: Callable[[Any, str], None], contest: Callable[..., Any], candidate: str) -> None:
    measured(contest("batches in threads", lambda: threads(net4(), "c"), (TWO_THREADS,)), candidate)
