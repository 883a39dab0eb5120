"""Processes that work, made anew when one of them dies.

Knows concurrent.futures; knows nothing of what is done in them. An executor that was given is used as long as it works,
and never shut down.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class WorkerPool:
    """``executor``, or processes of its own: ``workers`` of them, started when there is work."""

    def __init__(self, executor: Executor | None, workers: int) -> None:
        self.workers = _workers_of(executor) or workers
        self._given = executor
        self._own: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As an executor's; a pool that is broken already says so in the future, like one that breaks later."""
        executor = self._given or self._own
        if executor is None:
            # Not a fork: the caller may have threads, and a lock that one of them holds would be held for ever.
            context = multiprocessing.get_context("forkserver")
            executor = self._own = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin)
        try:
            return executor.submit(function, *args, **kwargs)
        except BrokenProcessPool as error:
            future: Future[R] = Future()
            future.set_exception(error)
            return future

    def renew(self) -> None:
        """The pool broke: the next work goes to new processes."""
        self.close()
        self._given = None

    def close(self) -> None:
        """Cancel what waits, end what is our own."""
        if self._own is not None:
            self._own.shutdown(wait=True, cancel_futures=True)
            self._own = None


def _begin() -> None:
    """Ctrl-C reaches every process of the terminal: it is for the one that gives out the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _workers_of(executor: Any) -> int | None:
    """As many as it has; None when it does not say."""
    found = getattr(executor, "_max_workers", None)
    return found if isinstance(found, int) and found > 0 else None
