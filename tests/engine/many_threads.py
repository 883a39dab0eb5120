"""Threads that begin together and are switched between as often as the interpreter can."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

SECONDS = 60
"""Until a thread that never comes fails the test."""


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """What each of ``works`` returns, each run in a thread of its own; the first exception is raised."""
    together = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        together.wait(SECONDS)
        return work()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(len(works)) as threads:
            return list(threads.map(run, works))
    finally:
        sys.setswitchinterval(before)
