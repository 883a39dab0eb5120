"""The sending side of a migration: bytes to send out, answers in, no IO.

Theory of operation: ``next_bytes`` runs the step of the current state until it gives bytes or the state has none.
What may follow what is ``TRANSITIONS``; who owns the machine in each state is ``OWNERS``. Between the last byte sent
and the destination's result nobody can know whether the destination runs: a source that loses the destination there,
or hears that it holds something else, is in doubt. It then keeps its complete state, and whoever can look at both ends
resolves it.

Knows the order of a precopy migration (qemu: migration/savevm.c) and handlers; knows no device and no channel.
"""

from __future__ import annotations

import enum
import hashlib
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from vnetmig.engine import name as engine_in_use
from vnetmig.errors import MigrationError, StreamError, VnetmigError
from vnetmig.migration import trace
from vnetmig.migration.capabilities import with_capabilities
from vnetmig.migration.comparison import Difference, Sent, compare
from vnetmig.migration.handlers import SaveFile
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import Mode, mode_named
from vnetmig.migration.registry import Registry, SaveStateEntry
from vnetmig.migration.result import NEED_DATA, AnswerReader, Result
from vnetmig.migration.timeline import DeviceTimes, Phase, Timeline
from vnetmig.stream import framing
from vnetmig.stream.return_path import Shut
from vnetmig.stream.writer import StreamWriter

ROUNDS_MAX = 1 << 20
"""Rounds of iteration before the source stops the guest anyway: handlers may never say that they are finished."""


class State(enum.Enum):
    HEADER = "header"
    SETUP = "setup"
    ITERATE = "iterate"
    SWITCHOVER = "switchover"
    COMPLETE_ITERABLE = "complete, iterable"
    COMPLETE = "complete"
    CONFIRM = "confirm"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    IN_DOUBT = "in doubt"


class Turn(enum.Enum):
    OPENED = "header and configuration are written"
    SET_UP = "every handler has written its START"
    CONVERGED = "nothing is pending"
    STOPPED = "the guest has stopped"
    ITERABLE_SAVED = "every handler has written its END"
    HANDED_OVER = "every device and the end of the stream are written"
    CONFIRMED = "the destination holds the same"
    UNCONFIRMED = "nobody was asked to confirm"
    DIFFERENT = "the destination holds something else"
    REFUSED = "the destination failed, and says so"
    LOST = "the destination is gone"
    ERROR = "saving failed"
    CANCEL = "the user does not want to"


_BEFORE_HANDOVER = (
    State.HEADER,
    State.SETUP,
    State.ITERATE,
    State.SWITCHOVER,
    State.COMPLETE_ITERABLE,
    State.COMPLETE,
)

TRANSITIONS: Final[dict[tuple[State, Turn], State]] = {
    (State.HEADER, Turn.OPENED): State.SETUP,
    (State.SETUP, Turn.SET_UP): State.ITERATE,
    (State.ITERATE, Turn.CONVERGED): State.SWITCHOVER,
    (State.SWITCHOVER, Turn.STOPPED): State.COMPLETE_ITERABLE,
    (State.COMPLETE_ITERABLE, Turn.ITERABLE_SAVED): State.COMPLETE,
    (State.COMPLETE, Turn.HANDED_OVER): State.CONFIRM,
    (State.CONFIRM, Turn.CONFIRMED): State.DONE,
    (State.CONFIRM, Turn.UNCONFIRMED): State.DONE,
    (State.CONFIRM, Turn.REFUSED): State.FAILED,
    (State.CONFIRM, Turn.DIFFERENT): State.IN_DOUBT,
    (State.CONFIRM, Turn.LOST): State.IN_DOUBT,
    **{(state, turn): State.FAILED for state in _BEFORE_HANDOVER for turn in (Turn.ERROR, Turn.REFUSED, Turn.LOST)},
    **{(state, Turn.CANCEL): State.CANCELLED for state in _BEFORE_HANDOVER},
}

FINAL: Final = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.IN_DOUBT})

OWNERS: Final[dict[State, str]] = {
    State.DONE: "destination",
    State.CONFIRM: "in-doubt",
    State.IN_DOUBT: "in-doubt",
}
"""Who owns the machine; in every other state the source does."""

_Step = tuple[bytes, "Turn | None"]


class Source:
    """``next_bytes`` until it is None, then ``answer`` with what comes back, then ``close``.

    ``registry`` holds devices beside the machine's own. ``clock`` gives monotonic nanoseconds.
    """

    def __init__(
        self,
        machine: Machine,
        mode: str | Mode = "stock",
        *,
        engine: str | None = None,
        registry: Registry | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.machine = machine
        self.mode = mode_named(mode)
        self.state = State.HEADER
        self.error: VnetmigError | None = None
        self.result: Result | None = None
        self.differences: tuple[Difference, ...] = ()
        self.sent: list[Sent] = []
        """Every section but RAM's, as it was written."""
        self.trace: list[trace.TraceLine] = []
        self._engine = engine
        self._clock = clock
        self._registry = Registry()
        machine.enroll(self._registry, self.mode.staged(machine, engine))
        for entry in registry or ():
            self._registry.adopt(entry)
        self._writer = StreamWriter(footers=machine.footers)
        self._digest = hashlib.sha256()
        self._answers = AnswerReader()
        self._shut: int | None = None
        self._checkpoints: list[tuple[str, int]] = []
        self._phases: list[Phase] = []
        self._since = clock()
        self._queue: deque[SaveStateEntry] = deque()
        self._round = -1
        self._unfinished: set[int] = set()
        self._steps: dict[State, Callable[[], _Step]] = {
            State.HEADER: self._open,
            State.SETUP: self._set_up,
            State.ITERATE: self._iterate,
            State.SWITCHOVER: self._switch_over,
            State.COMPLETE_ITERABLE: self._complete_iterable,
            State.COMPLETE: self._complete,
        }

    @property
    def owner(self) -> str:
        return OWNERS.get(self.state, "source")

    def next_bytes(self) -> bytes | None:
        """The next bytes for the destination; None: there are no more. Raises what a handler raised."""
        while (step := self._steps.get(self.state)) is not None:
            try:
                data, turn = step()
            except VnetmigError as error:
                self._end(Turn.ERROR, error)
                raise
            self._digest.update(data)
            if turn is not None:
                self._move(turn)
            if data:
                return data
        return None

    def answer(self, data: bytes) -> None:
        """Take bytes that came back from the destination."""
        self._answers.feed(data)
        self._listen()

    def close(self) -> None:
        """Nothing more will come back: the migration is over, one way or the other."""
        if self.state in FINAL:
            return
        self._answers.close()
        self._listen()
        if self.state in FINAL:
            return
        if self._shut is not None:  # a QEMU: it sends no result, but says whether it runs
            self._heed(self._shut)
            return
        lost = MigrationError(
            "the destination closed the channel without a result"
            + ("; it may or may not run: look at it before this side runs again" if self.owner == "in-doubt" else "")
        )
        self._end(Turn.LOST, self.error or lost)

    def lose(self, error: VnetmigError) -> None:
        """The channel broke. What the destination still said is heard first: it may give the reason."""
        self.error = self.error or error
        self.close()

    def cancel(self) -> None:
        """Stop before the hand-over; the source goes on. MigrationError when it is too late."""
        if (self.state, Turn.CANCEL) not in TRANSITIONS:
            raise MigrationError(f"cannot cancel: the migration is in state '{self.state.value}'")
        self._end(Turn.CANCEL, None)

    def unconfirmed(self) -> None:
        """There is nobody who answers, as behind a file: all sent is all done."""
        self._end(Turn.UNCONFIRMED, None)

    def timeline(self) -> Timeline:
        """The times of both sides, as far as they are known."""
        results = self.result.sections if self.result is not None else ()
        devices = []
        for number, sent in enumerate(self.sent):
            load_ns = results[number].load_ns if number < len(results) else 0
            devices.append(DeviceTimes(sent.idstr, sent.instance_id, len(sent.data), sent.save_ns, load_ns, sent.early))
        theirs = self.result.checkpoints if self.result is not None else ()
        return Timeline(
            self.mode.name,
            self._engine or engine_in_use,
            tuple(devices),
            tuple(self._phases),
            (*self._checkpoints, *theirs),
            self._writer.written,
        )

    # One step per state: bytes, and the turn that ends the state.

    def _open(self) -> _Step:
        machine, writer = self.machine, self._writer
        parts = [writer.header()]
        if machine.configuration is not None:
            body = with_capabilities(machine.configuration, on=self.mode.capabilities)
            parts.append(writer.configuration(body.machine_type, body.subsections))
        elif self.mode.capabilities:
            raise MigrationError(
                f"a machine without a configuration section cannot announce {', '.join(self.mode.capabilities)}"
            )
        parts += [writer.command(command.number, command.payload) for command in machine.prelude]
        self._queue.extend(e for e in self._registry if e.early or e.active)
        return b"".join(parts), Turn.OPENED

    def _set_up(self) -> _Step:
        if not self._queue:
            return b"", Turn.SET_UP
        entry = self._queue.popleft()
        if entry.early:
            return self._full(entry), None
        assert entry.handlers is not None
        payload, spent, _ = self._hook(entry, entry.handlers.save_setup)
        writer = self._writer
        start = writer.start(entry.section_id, entry.idstr, entry.instance_id, entry.version_id)
        self._note(entry, payload, spent, early=True)
        return start + writer.payload(payload) + writer.footer(), None

    def _iterate(self) -> _Step:
        if not self._queue:
            staged = [e for e in self._registry if e.active]
            pending = sum(e.handlers.state_pending_exact(e.opaque) for e in staged if e.handlers is not None)
            if (not pending and not self._unfinished) or self._round >= ROUNDS_MAX:
                return b"", Turn.CONVERGED
            self._round += 1
            self._unfinished.clear()
            self._queue.extend(e for e in staged if self.machine.reaches(e.section_id, self._round))
            if not self._queue:
                raise MigrationError(f"{pending} bytes are pending, and no handler may send them")
        entry = self._queue.popleft()
        assert entry.handlers is not None
        payload, _, returned = self._hook(entry, entry.handlers.save_live_iterate)
        if returned == 0:
            self._unfinished.add(entry.section_id)
        return self._writer.part(entry.section_id) + self._writer.payload(payload) + self._writer.footer(), None

    def _switch_over(self) -> _Step:
        self._pass("src-downtime-start")
        self._pass("src-vm-stopped")
        self._queue.extend(e for e in self._registry if e.active)
        if self.machine.switchover_start:
            return self._writer.command(framing.SWITCHOVER_START), Turn.STOPPED
        return b"", Turn.STOPPED

    def _complete_iterable(self) -> _Step:
        if not self._queue:
            self._pass("src-iterable-saved")
            self._queue.extend(e for e in self._registry if not e.early)
            return b"", Turn.ITERABLE_SAVED
        entry = self._queue.popleft()
        assert entry.handlers is not None
        payload, spent, _ = self._hook(entry, entry.handlers.save_complete)
        self._note(entry, payload, spent)
        self.trace.append(trace.saved(trace.ITERABLE, entry.idstr, entry.instance_id, spent))
        return self._writer.end(entry.section_id) + self._writer.payload(payload) + self._writer.footer(), None

    def _complete(self) -> _Step:
        if self._queue:
            entry = self._queue.popleft()
            if entry.vmsd is not None:
                return self._full(entry), None
            # QEMU's loop visits every handler, and traces those that write nothing here too.
            self.trace.append(trace.saved(trace.NON_ITERABLE, entry.idstr, entry.instance_id, 0))
            return b"", None
        parts = [self._writer.eof()]
        if self.machine.description is not None:
            parts.append(self._writer.vmdescription(self.machine.description))
        self._pass("src-non-iterable-saved")
        self._pass("src-downtime-end")
        return b"".join(parts), Turn.HANDED_OVER

    def _full(self, entry: SaveStateEntry) -> bytes:
        assert entry.vmsd is not None
        start = self._clock()
        payload = entry.vmsd.save(engine=self._engine)
        spent = self._clock() - start
        self._note(entry, payload, spent, early=entry.early)
        if not entry.early:
            self.trace.append(trace.saved(trace.NON_ITERABLE, entry.idstr, entry.instance_id, spent))
        header = self._writer.full(entry.section_id, entry.idstr, entry.instance_id, entry.version_id)
        return header + self._writer.payload(payload) + self._writer.footer()

    def _hook(self, entry: SaveStateEntry, hook: Callable[[SaveFile, object], int]) -> tuple[bytes, int, int]:
        """(payload, nanoseconds, returned)."""
        file = SaveFile()
        start = self._clock()
        returned = hook(file, entry.opaque)
        spent = self._clock() - start
        if returned < 0:
            raise MigrationError(
                f"failed to save SaveStateEntry with id(name): {entry.section_id}({entry.idstr}): {returned}"
            )
        return file.contents(), spent, returned

    def _note(self, entry: SaveStateEntry, payload: bytes, spent: int, *, early: bool = False) -> None:
        if entry.idstr != "ram":
            names = entry.idstr, entry.instance_id, entry.section_id, entry.version_id
            self.sent.append(Sent(*names, payload, spent, early))

    def _pass(self, checkpoint: str) -> None:
        self._checkpoints.append((checkpoint, self._clock()))
        self.trace.append(trace.checkpoint(checkpoint))

    # What comes back.

    def _listen(self) -> None:
        try:
            while (answer := self._answers.next_answer()) is not None and answer is not NEED_DATA:
                if isinstance(answer, Result):
                    self.result = answer
                elif isinstance(answer, Shut):
                    self._shut = answer.value
        except StreamError as error:
            self._end(Turn.LOST, error)
            return
        if self.result is not None and self.state not in FINAL:
            self._judge(self.result)

    def _judge(self, result: Result) -> None:
        if result.error is not None:
            self._end(Turn.REFUSED, MigrationError(f"the destination refused: {result.error}"))
        elif self.state is State.CONFIRM:
            self.differences = compare(self.sent, self._digest.hexdigest(), result)
            if self.differences:
                what = "; ".join(map(str, self.differences[:3]))
                self._end(Turn.DIFFERENT, MigrationError(f"the destination holds something else: {what}"))
            else:
                self._end(Turn.CONFIRMED, None)

    def _heed(self, shut: int) -> None:
        if shut == 0 and self.state is State.CONFIRM:
            self._end(Turn.CONFIRMED, None)
        else:
            self._end(Turn.REFUSED, self.error or MigrationError(f"the destination failed: SHUT {shut}"))

    def _end(self, turn: Turn, error: VnetmigError | None) -> None:
        self.error = error
        self._move(turn)

    def _move(self, turn: Turn) -> None:
        following = TRANSITIONS.get((self.state, turn))
        if following is None:
            raise MigrationError(f"'{turn.value}' cannot come in state '{self.state.value}'")
        now = self._clock()
        self._phases.append(Phase(self.state.value, now - self._since))
        self._since = now
        self.state = following
        if following in FINAL:
            for entry in self._registry:
                if entry.handlers is not None:
                    entry.handlers.save_cleanup(entry.opaque)


__all__ = ["FINAL", "OWNERS", "TRANSITIONS", "Source", "State", "Turn"]
