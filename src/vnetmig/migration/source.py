"""The sending side of a migration: bytes to send out, answers in, no IO.

Theory of operation: ``next_bytes`` runs the step of the current state until it gives bytes or has to wait for an
answer. What may follow what, and who owns the machine, are the tables of source_states.py. A source that may not go on
by itself keeps its complete state, paused, until ``resolve`` says what was found at the other side.

Knows the order of a precopy migration (qemu: migration/savevm.c) and handlers; knows no device and no channel.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial

from vnetmig.errors import MigrationError, StreamError, VnetmigError
from vnetmig.migration import registration
from vnetmig.migration.capabilities import HANDOVER
from vnetmig.migration.comparison import Difference
from vnetmig.migration.foreign import failed, told
from vnetmig.migration.handover import ACK_PING, Discard, NeedFull, Resend, Start, Started, Verify
from vnetmig.migration.machine import Machine
from vnetmig.migration.machine_control import AnyOutgoing, OutgoingMachine
from vnetmig.migration.modes import Mode, mode_named
from vnetmig.migration.options import DEFAULTS, Options
from vnetmig.migration.plugging import Plugged
from vnetmig.migration.registry import Registry, SaveStateEntry
from vnetmig.migration.result import NEED_DATA, AnswerReader, Reply, Result
from vnetmig.migration.rounds import Rounds
from vnetmig.migration.section_writer import SectionWriter
from vnetmig.migration.sent import SentSections
from vnetmig.migration.source_states import FINAL, GUEST_RUNS, HOLDING, OWNERS, TRANSITIONS, WAITING, State, Turn
from vnetmig.migration.timeline import Phase, Timeline
from vnetmig.migration.trace import TraceLine
from vnetmig.stream.return_path import Shut, SwitchoverAck

RESEND_ROUNDS_MAX = 2
"""Times that a destination may ask for whole states behind the end: the second answer to the same question is a
fault."""

_Step = tuple[bytes, "Turn | None"] | None
"""Bytes, and the turn that ends the state; None: wait for an answer."""


class Source:
    """``next_bytes`` until it is None, then ``answer`` with what comes back; ``close`` when nothing more will.

    ``registry`` holds devices beside the machine's own and those that were registered globally, which are left out when
    ``registered`` is False. A device that the machine recorded goes as it was recorded. ``outgoing`` is what is
    stopped, resumed and let go. ``clock`` gives monotonic nanoseconds.
    """

    def __init__(
        self,
        machine: Machine,
        mode: str | Mode = "stock",
        *,
        options: Options = DEFAULTS,
        engine: str | None = None,
        registry: Registry | None = None,
        outgoing: OutgoingMachine | None = None,
        registered: bool = True,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.machine = machine
        self.mode = mode_named(mode)
        self.options = options
        self.state = State.HEADER
        self.error: VnetmigError | None = None
        self.result: Result | None = None
        self.differences: tuple[Difference, ...] = ()
        self.plan = self.mode.plan(machine, options, engine)
        self.handover = HANDOVER in self.plan.capabilities
        self._engine = engine
        self._clock = clock
        self._outgoing = outgoing if outgoing is not None else AnyOutgoing()
        self._registry = Registry()
        machine.enroll(self._registry, self.plan.staged, self.plan.early, self.plan.finals)
        others = [r for r in (registry, registration.live() if registered else None) if r is not None]
        for entry in (entry for other in others for entry in other):
            if self._registry.find(entry.idstr, entry.instance_id) is None:  # else the machine has it, as recorded
                self._registry.adopt(entry)
        self._plugged = Plugged(machine, others)
        self._writer = SectionWriter(machine, engine, clock)
        self._answers = AnswerReader()
        self._shut: int | None = None
        self._started: Started | None = None
        self._acked = not options.switchover_ack
        self._pinged = False
        self._checkpoints: list[tuple[str, int]] = []
        self._phases: list[Phase] = []
        self._since = clock()
        self._queue: deque[SaveStateEntry] = deque()
        self._rounds = Rounds(machine, self._registry, options)
        self._needed: deque[tuple[str, int]] = deque()
        self._resend_rounds = 0
        self._farewell = b""
        self._steps: dict[State, Callable[[], _Step]] = {
            State.HEADER: self._open,
            State.SETUP: self._set_up,
            State.ITERATE: self._iterate,
            State.FLUSH: self._flush,
            State.ACK: self._await_ack,
            State.SWITCHOVER: self._switch_over,
            State.COMPLETE_ITERABLE: self._complete_iterable,
            State.COMPLETE: self._complete,
            State.ASK: self._ask,
            State.RESEND: self._resend,
            State.START: self._give,
        }

    @property
    def owner(self) -> str:
        return OWNERS.get(self.state, "source")

    @property
    def sent(self) -> SentSections:
        """Every section but RAM's, as it was written."""
        return self._writer.sections

    @property
    def trace(self) -> list[TraceLine]:
        """QEMU's trace lines of the save."""
        return self._writer.trace

    @property
    def waiting(self) -> bool:
        """Nothing can be sent before an answer comes."""
        return self.state in WAITING

    @property
    def finished_sending(self) -> bool:
        """No byte will follow."""
        return (self.state in FINAL and not self._farewell) or self.state is State.CONFIRM

    def next_bytes(self) -> bytes | None:
        """The next bytes for the destination; None: there are none, or not before an answer. Raises what a handler
        raised."""
        while (step := self._steps.get(self.state)) is not None:
            try:
                self._plugged.check()
                taken = step()
            except Exception as error:  # of any handler: the guest must not stay stopped for it
                self._end(Turn.ERROR, told(error))
                raise self.error or told(error) from error
            if taken is None:
                return None
            data, turn = taken
            if self.state not in HOLDING:  # what comes then stands behind the stream
                self.sent.count(data)
            if turn is not None:
                self._move(turn)
            if data:
                return data
        farewell, self._farewell = self._farewell, b""
        return farewell or None

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
        """Stop before the machine is given away; the source goes on. MigrationError when it is too late."""
        if (self.state, Turn.CANCEL) not in TRANSITIONS:
            raise MigrationError(f"cannot cancel: the migration is in state '{self.state.value}'")
        self._end(Turn.CANCEL, None)

    def unconfirmed(self) -> None:
        """There is nobody who answers, as behind a file: all sent is all done."""
        self._end(Turn.UNCONFIRMED, None)

    def resolve(self, *, runs_there: bool) -> None:
        """End the doubt: someone has looked at the destination. If it does not run there, the guest goes on here.

        MigrationError when there is no doubt.
        """
        if self.state is not State.IN_DOUBT:
            raise MigrationError(f"nothing to resolve: the migration is in state '{self.state.value}'")
        self._move(Turn.GIVE if runs_there else Turn.KEEP)

    def timeline(self) -> Timeline:
        """The times of both sides, as far as they are known."""
        theirs = self.result.checkpoints if self.result is not None else ()
        started = self._started.checkpoints if self._started is not None else ()
        return self.sent.timeline(
            self.mode.name,
            self._engine,
            self.result,
            tuple(self._phases),
            (*self._checkpoints, *theirs, *started),
            self._writer.written,
        )

    # One step per state: bytes, and the turn that ends the state.

    def _open(self) -> _Step:
        self._queue.extend(e for e in self._registry if e.early or e.active)
        return self._writer.opening(self.plan.capabilities, return_path=self.options.switchover_ack), Turn.OPENED

    def _set_up(self) -> _Step:
        if not self._queue:
            return b"", Turn.SET_UP
        entry = self._queue.popleft()
        return self._writer.full(entry) if entry.early else self._writer.start(entry), None

    def _iterate(self) -> _Step:
        entry = self._rounds.next_turn()
        if entry is not None:
            return self._part(entry), None
        self._queue.extend(self._rounds.last_turns())
        return b"", Turn.CONVERGED

    def _flush(self) -> _Step:
        if self._queue:
            return self._part(self._queue.popleft()), None
        return b"", Turn.FLUSHED

    def _part(self, entry: SaveStateEntry) -> bytes:
        written, returned = self._writer.part(entry, self._rounds.room)
        self._rounds.wrote(entry, len(written), returned)
        return written

    def _await_ack(self) -> _Step:
        if self._acked:
            return b"", Turn.ACKED
        if self._pinged:
            return None
        self._pinged = True
        return self._writer.ping(ACK_PING), None

    def _switch_over(self) -> _Step:
        self._pass("src-downtime-start")
        self._outgoing.stop()
        self._pass("src-vm-stopped")
        self._queue.extend(e for e in self._registry if e.active)
        return self._writer.switchover_start(), Turn.STOPPED

    def _complete_iterable(self) -> _Step:
        if self._queue:
            return self._writer.end(self._queue.popleft()), None
        self._pass("src-iterable-saved")
        self._queue.extend(e for e in self._registry if not e.early)
        return b"", Turn.ITERABLE_SAVED

    def _complete(self) -> _Step:
        if self._queue:
            return self._writer.full(self._queue.popleft()), None
        written = self._writer.ending()
        self._pass("src-non-iterable-saved")
        self._pass("src-downtime-end")
        return written, Turn.WRITTEN if self.handover else Turn.HANDED_OVER

    def _ask(self) -> _Step:
        return Verify(self.sent.digest()).encode(), Turn.ASKED

    def _resend(self) -> _Step:
        if not self._needed:
            return b"", Turn.RESENT
        idstr, instance_id = key = self._needed.popleft()
        start = self._clock()
        payload, state = self.plan.finals[key].save_whole()
        self.sent.again(key, state, len(payload), self._clock() - start)
        return Resend(idstr, instance_id, payload).encode(), None

    def _give(self) -> _Step:
        return Start().encode(), Turn.GIVEN

    def _pass(self, checkpoint: str) -> None:
        self._checkpoints.append((checkpoint, self._writer.checkpoint(checkpoint)))

    # What comes back.

    def _listen(self) -> None:
        try:
            while (reply := self._answers.next_answer()) is not None and reply is not NEED_DATA:
                if self.state not in FINAL:
                    self._heed_reply(reply)
        except StreamError as error:
            if self.state not in FINAL:
                self._end(Turn.LOST, error)

    def _heed_reply(self, reply: Reply | object) -> None:
        if isinstance(reply, Result):
            self._judge(reply)
        elif isinstance(reply, Shut):
            self._shut = reply.value
        elif isinstance(reply, SwitchoverAck):
            self._acked = True
        elif isinstance(reply, NeedFull):
            self._need(reply)
        elif isinstance(reply, Started) and self.state is State.STARTING:
            self._started = reply
            self._end(Turn.STARTED, None)

    def _need(self, asked: NeedFull) -> None:
        unknown = [idstr for idstr, instance_id in asked.devices if (idstr, instance_id) not in self.plan.finals]
        if unknown:
            # No refusal: it does not say that the destination does not run.
            self._end(Turn.LOST, MigrationError(f"the destination asks for '{unknown[0]}', which is no device here"))
            return
        for key in asked.devices:
            self.plan.finals[key].sent.forget()
        if asked.early or self.state is not State.VERIFY:
            return  # the next frame is whole by itself, and for a last frame that was not the answer to VERIFY comes
        self._resend_rounds += 1
        if self._resend_rounds > RESEND_ROUNDS_MAX:
            self._end(Turn.REFUSED, MigrationError("the destination asks for the same states again and again"))
            return
        self._needed.extend(dict.fromkeys(asked.devices))
        self._move(Turn.NEEDED)

    def _judge(self, result: Result) -> None:
        self.result = result
        if result.error is not None:
            self._end(Turn.REFUSED, MigrationError(f"the destination refused: {result.error}"))
        elif self.state in (State.CONFIRM, State.VERIFY):
            self.differences = self.sent.compare(result)
            if self.differences:
                what = "; ".join(map(str, self.differences[:3]))
                self._end(Turn.DIFFERENT, MigrationError(f"the destination holds something else: {what}"))
            else:
                self._end(Turn.CONFIRMED, None)

    def _heed(self, shut: int) -> None:
        if shut == 0 and self.state is State.CONFIRM:
            self._end(Turn.CONFIRMED, None)
        elif shut == 0:
            self._end(Turn.LOST, self.error or MigrationError("the destination shut the return path"))
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
        before, self.state = self.state, following
        if following in FINAL:
            self._settle(before)

    def _settle(self, before: State) -> None:
        """It is over, or in doubt: first the guest, then the hooks. What they raise does not change who owns what."""
        calls: list[Callable[[], object]] = []
        if self.state in (State.FAILED, State.CANCELLED):
            if before in HOLDING:
                self._farewell = Discard().encode()
            if before not in GUEST_RUNS:
                calls.append(self._outgoing.resume)
        elif self.state is State.DONE:
            calls.append(self._outgoing.release)
        if before is not State.IN_DOUBT:
            calls += [partial(e.handlers.save_cleanup, e.opaque) for e in self._registry if e.handlers is not None]
        failure = failed(calls)
        if failure is not None:
            self.error = failure if self.error is None else MigrationError(f"{self.error}\n  and then: {failure}")


__all__ = ["FINAL", "OWNERS", "TRANSITIONS", "Source", "State", "Turn"]
