"""The two stages that all backends have in common: only differences, and all of them or none.

Knows states, work lists and the ledger. How an item is done is the subclass's.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType

from vnetmig.backend.ledger import Entry, Ledger, Phase
from vnetmig.backend.states import State, Turn, after
from vnetmig.backend.work import Key, NetWork, WorkItem, carry, differences, work_items
from vnetmig.errors import MigrationError


@dataclass(frozen=True, slots=True)
class Cost:
    """What an item cost besides the time that a clock saw: system calls, and nanoseconds that are made up.

    ``waited``: the clock saw the made-up time as well.
    """

    calls: int = 0
    simulated: int = 0
    waited: bool = False


class StagedBackend(ABC):
    """``with backend:`` closes it."""

    kind: str

    def __init__(self) -> None:
        self.ledger = Ledger()
        self._state = State.IDLE
        self._done: dict[Key, WorkItem] = {}

    @property
    def state(self) -> State:
        return self._state

    def prepare(self, work: NetWork) -> None:
        self._stage(Turn.PREPARE, Phase.PREPARE, work.held())

    def commit(self, work: NetWork) -> None:
        self._stage(Turn.COMMIT, Phase.COMMIT, work)

    def abort(self) -> None:
        self._give_back(after(self._state, Turn.ABORT))

    def close(self) -> None:
        self._give_back(after(self._state, Turn.CLOSE))

    @abstractmethod
    def _perform(self, item: WorkItem) -> Cost:
        """Do ``item``, or raise and change nothing. Closing a pair cannot fail."""

    @abstractmethod
    def _release(self) -> None:
        """Give back what is held, whatever is recorded as done. Cannot fail."""

    def _stage(self, turn: Turn, phase: Phase, work: NetWork) -> None:
        state = after(self._state, turn)
        before = tuple(self._done.values())
        try:
            self._do(phase, differences(before, work_items(work)))
        except BaseException as error:
            self._undo(before, error)
            raise
        self._state = state

    def _do(self, phase: Phase, items: tuple[WorkItem, ...]) -> None:
        for item in items:
            had = self._done.get(item.key)
            start = time.perf_counter_ns()
            cost = self._perform(item)
            took = time.perf_counter_ns() - start + (0 if cost.waited else cost.simulated)
            self.ledger.record(Entry(phase, item, cost.calls, took, cost.simulated, had == item))
            carry(self._done, item)

    def _undo(self, before: tuple[WorkItem, ...], error: BaseException) -> None:
        try:
            self._do(Phase.UNDO, differences(self._done.values(), before))
        except BaseException as second:
            self._give_back(State.ABORTED)
            raise MigrationError(
                f"{error}\n  and what was done before could not be undone: {second}\n"
                "  everything was given back, the backend is aborted: prepare it again"
            ) from error

    def _give_back(self, state: State) -> None:
        self._do(Phase.UNDO, differences(self._done.values(), ()))
        self._release()
        self._state = state

    def __enter__(self) -> StagedBackend:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
