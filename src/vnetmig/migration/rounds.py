"""Whose turn it is while the guest runs: rounds of handlers, how much a round may write, and when that is enough.

Knows what handlers say of themselves and what the bandwidth allows; writes nothing. As in QEMU the handlers have their
turn in the order of registration, RAM first, and the limiter is asked before each of them (qemu: migration/savevm.c:
qemu_savevm_state_iterate): a guest that keeps RAM busy starves the devices behind it. So there is one turn more, that
nothing can starve: ``last_turns``, for devices that should have their state at the destination before the guest stops.
"""

from __future__ import annotations

from collections import deque

from vnetmig.errors import MigrationError
from vnetmig.migration.handlers import MORE
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import Options
from vnetmig.migration.registry import Registry, SaveStateEntry


class Rounds:
    """``next_turn`` until it is None; ``wrote`` after every turn."""

    def __init__(self, machine: Machine, registry: Registry, options: Options) -> None:
        self.room: int | None = None
        """Bytes that this round may still write; None without a limit."""
        self._machine = machine
        self._registry = registry
        self._options = options
        self._queue: deque[SaveStateEntry] = deque()
        self._number = -1
        self._unfinished: set[int] = set()

    def next_turn(self) -> SaveStateEntry | None:
        """The next handler; None when the guest may be stopped. MigrationError when nobody may send what is pending."""
        if self._queue:
            return self._queue.popleft()
        staged = [entry for entry in self._registry if entry.active]
        threshold = self._machine.threshold(self._options)
        pending = sum(e.handlers.state_pending_estimate(e.opaque) for e in staged if e.handlers is not None)
        if pending <= threshold:  # qemu: migration.c:migration_iteration_run
            pending = sum(_pending(entry) for entry in staged)
        enough = pending <= threshold if threshold else not pending and not self._unfinished
        if enough or self._number >= self._machine.rounds_max:
            self.room = None
            return None
        self._number += 1
        self.room = self._options.window
        self._unfinished.clear()
        self._queue.extend(entry for entry in staged if self._machine.reaches(entry.section_id, self._number))
        if not self._queue:
            raise MigrationError(f"{pending} bytes are pending, and no handler may send them")
        return self._queue.popleft()

    def wrote(self, entry: SaveStateEntry, size: int, returned: int) -> None:
        """``entry`` has had its turn: ``size`` bytes of section, and what its hook returned."""
        if returned == MORE:
            self._unfinished.add(entry.section_id)
        if self.room is not None:
            self.room -= size
            if self.room <= 0:
                self._queue.clear()

    def last_turns(self) -> list[SaveStateEntry]:
        """Who should have one more turn before the guest stops."""
        return [
            entry
            for entry in self._registry
            if entry.active
            and entry.handlers is not None
            and entry.handlers.switchover_ack_needed(entry.opaque)
            and _pending(entry)
        ]


def _pending(entry: SaveStateEntry) -> int:
    return entry.handlers.state_pending_exact(entry.opaque) if entry.handlers is not None else 0
