"""A backend that keeps the books and does nothing: frames sent are dropped, none come.

Knows no system call. Costs that it is told to have are simulated, and the ledger labels them so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from vnetmig.backend.staged import Cost, StagedBackend
from vnetmig.backend.work import Kind, WorkItem
from vnetmig.errors import FieldError, MigrationError


class NullQueue:
    """One pair: enabled or not is all it has."""

    def __init__(self, pair: int) -> None:
        self._pair = pair
        self.enabled = False

    def send(self, frame: bytes) -> bool:
        """Dropped, always."""
        self._check()
        return False

    def receive(self) -> None:
        self._check()

    def _check(self) -> None:
        if not self.enabled:
            raise MigrationError(f"queue pair {self._pair} of the null backend is not enabled\n  commit enables it")


class NullBackend(StagedBackend):
    """``cost``: simulated microseconds per work item, by kind; with ``wait`` they pass, else they are only counted.

    >>> from vnetmig.backend.ledger import Phase
    >>> from vnetmig.backend.work import NetWork
    >>> backend = NullBackend(cost={Kind.OPEN: 100.0})
    >>> backend.prepare(NetWork(queue_pairs=4))
    >>> backend.ledger.totals(Phase.PREPARE).simulated
    400000
    """

    kind = "null"

    def __init__(self, *, cost: Mapping[Kind, float] | None = None, wait: bool = False) -> None:
        super().__init__()
        self._cost = {kind: round(each * 1000) for kind, each in (cost or {}).items()}
        if any(each < 0 for each in self._cost.values()):
            raise FieldError(f"cost: expected microseconds of 0 and more, got {cost}")
        self._wait = wait
        self._queues: dict[int, NullQueue] = {}

    def __enter__(self) -> NullBackend:
        return self

    @property
    def queues(self) -> tuple[NullQueue, ...]:
        return tuple(self._queues.values())

    def _perform(self, item: WorkItem) -> Cost:
        if item.kind is Kind.OPEN and item.value:
            self._queues[item.pair] = NullQueue(item.pair)
        elif item.kind is Kind.OPEN:
            self._queues.pop(item.pair).enabled = False
        elif item.kind is Kind.ENABLE:
            self._queues[item.pair].enabled = bool(item.value)
        simulated = self._cost.get(item.kind, 0)
        if self._wait:
            until = time.perf_counter_ns() + simulated
            while time.perf_counter_ns() < until:  # a sleep would be late by more than most costs are
                pass
        return Cost(simulated=simulated, waited=self._wait)

    def _release(self) -> None:
        self._queues.clear()
