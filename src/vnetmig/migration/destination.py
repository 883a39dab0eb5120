"""The receiving side of a migration: bytes in, devices built from nothing but them, answers out, no IO.

Theory of operation: the stream's events move the table of destination_states.py. Virtio devices are loaded as their
sections come, devices that only the vmdescription explains when it comes at the end, and what nobody describes stays
bytes. When the stream has ended everything is saved again; ``answer`` then holds the result for the source. With the
hand-over the machine stays paused until the source gives it away; without it, it starts at the end of the stream. A
fault before that ends in FAILED: nothing was handed over, and the source goes on.

Knows sections, phases and the hand-over; knows no channel. Every time is that of loading or saving alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable

from vnetmig.engine import name as engine_in_use
from vnetmig.errors import MigrationError, StreamError, VnetmigError
from vnetmig.migration import registration, trace
from vnetmig.migration.capabilities import HANDOVER, check_capabilities
from vnetmig.migration.decoders import Decoders
from vnetmig.migration.destination_states import FINAL, OWNERS, TRANSITIONS, Phase, Turn
from vnetmig.migration.device import Device
from vnetmig.migration.foreign import failed, told
from vnetmig.migration.handover import ACK_PING, Discard, NeedFull, Order, OrderReader, Resend, Started, Verify
from vnetmig.migration.incoming_devices import IncomingDevices
from vnetmig.migration.machine_control import AnyIncoming, IncomingMachine
from vnetmig.migration.registry import Registry
from vnetmig.migration.result import TEXT_MAX, Result
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping
from vnetmig.stream.cursor import Buffer
from vnetmig.stream.events import Command, Configuration, Event, SectionPayload, SectionStart, VmDescription
from vnetmig.stream.payload import Payload, SectionHeader
from vnetmig.stream.reader import NEED_DATA, StreamReader
from vnetmig.stream.return_path import Pong, Shut, SwitchoverAck
from vnetmig.stream.states import State as ReaderState
from vnetmig.stream.tentative import FrameDecoder
from vnetmig.stream.vmdescription import Description

_SECTIONS = {
    framing.SECTION_START: Turn.START,
    framing.SECTION_PART: Turn.PART,
    framing.SECTION_END: Turn.END,
    framing.SECTION_FULL: Turn.FULL,
}


class Destination:
    """``feed`` what arrives, ``close`` when nothing more will, send what ``answer`` gives.

    ``registry``: devices that load themselves, by idstr and instance, beside those registered globally; ``registered``
    False leaves these out: a process that is both ends must not load into what it sends. ``machine``:
    what is prepared, started or given up. ``capabilities``: those of this side, which the stream must then have; None
    takes the stream's. ``page_size``: the target's, if it is not x86's. ``clock`` gives monotonic nanoseconds.
    """

    def __init__(
        self,
        *,
        engine: str | None = None,
        registry: Registry | None = None,
        machine: IncomingMachine | None = None,
        capabilities: Iterable[str] | None = None,
        page_size: int | None = None,
        registered: bool = True,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.phase = Phase.SETUP
        self.error: VnetmigError | None = None
        self.result: Result | None = None
        self.trace: list[trace.TraceLine] = []
        self._engine = engine
        self._clock = clock
        self._machine = machine if machine is not None else AnyIncoming()
        self._local = None if capabilities is None else tuple(capabilities)
        self._decoders = Decoders(engine, page_size=page_size)
        registries = [r for r in (registry, registration.live() if registered else None) if r is not None]
        self._incoming = IncomingDevices(self._decoders, registries, self._machine, engine, clock)
        self._reader = StreamReader(self._incoming.decoder_for)
        self._orders = OrderReader()
        self._handover = False
        self._chunk: Buffer = b""
        self._header: SectionHeader | None = None
        self._payloads: list[Payload] = []
        self._description: Description | None = None
        self._digest = hashlib.sha256()
        self._received = 0
        self._answer = bytearray()
        self._return_path = False
        self._checkpoints: list[tuple[str, int]] = []
        self._asked: list[tuple[str, int]] = []

    @property
    def devices(self) -> list[Device]:
        """What was built, in stream order."""
        return self._incoming.devices

    @property
    def finished(self) -> bool:
        return self.phase in FINAL

    @property
    def _ended(self) -> bool:
        """The stream is read, and what follows are messages of the hand-over."""
        return self._handover and self._reader.state is ReaderState.TRAILING

    @property
    def owner(self) -> str:
        """Who has the machine, as far as this side can know."""
        return OWNERS.get(self.phase, "source")

    def feed(self, data: Buffer) -> None:
        """Take bytes of the stream. Errors do not come out here: they end in FAILED and in the answer."""
        if self.finished:
            return
        self._chunk = data
        if self._ended:
            self._run(self._follow)
        else:
            self._reader.feed(data)
            self._run(self._read)

    def close(self) -> None:
        """Nothing more will come from the source."""
        if self.finished:
            return
        if self.phase is Phase.HELD:
            self._lose()
        elif self._handover:
            self._run(self._cut_off)
        else:
            self._chunk = b""
            self._reader.close()
            self._run(self._read, self._end)

    def lose(self, error: VnetmigError) -> None:
        """The channel broke."""
        if self.phase is Phase.HELD:
            self._lose()
        elif not self.finished:
            self._fail(error, Turn.LOST)

    def resolve(self, *, runs_there: bool) -> None:
        """End the doubt: someone has looked at the source. If the machine does not run there, it starts here.

        MigrationError when there is no doubt.
        """
        if self.phase is not Phase.IN_DOUBT:
            raise MigrationError(f"nothing to resolve: the migration is in phase '{self.phase.value}'")
        if runs_there:
            self._give_up()
        else:
            self._start()

    def answer(self) -> bytes:
        """Bytes for the source that were not taken yet."""
        taken = bytes(self._answer)
        self._answer.clear()
        return taken

    def _run(self, *steps: Callable[[], None]) -> None:
        try:
            for step in steps:
                step()
        except Exception as error:  # of a handler or a machine that may be somebody else's: nothing stays half done
            self._fail(told(error))

    def _fail(self, error: VnetmigError, turn: Turn = Turn.FAULT) -> None:
        self.error = error
        self._turn(turn)
        if self.phase is Phase.IN_DOUBT:  # nothing is said: only silence tells the source that it cannot know
            return
        received = max(self._received, self._reader.offset)
        self.result = Result(self._engine or engine_in_use, received, error=str(error)[:TEXT_MAX])
        self._finish(self.result.encode(), 1)
        self._undo()

    def _undo(self) -> None:
        """Nothing of what came is kept."""
        failure = failed((self._machine.abort, self._incoming.clean_up))
        if failure is not None:
            self.error = MigrationError(f"{self.error}\n  and then: {failure}")

    def _finish(self, result: bytes, shut: int) -> None:
        self._answer += result
        if self._return_path:
            self._answer += Shut(shut).encode()

    def _turn(self, turn: Turn) -> None:
        following = TRANSITIONS.get((self.phase, turn))
        if following is None:
            raise StreamError(f"{turn.value} cannot come in phase '{self.phase.value}'", offset=self._reader.offset)
        if self.phase is Phase.SETUP and turn in (Turn.START, Turn.PART, Turn.END, Turn.SWITCHOVER):
            for loaded in self._incoming.sections:
                loaded.early = True
        self.phase = following

    # Reading.

    def _read(self) -> None:
        while not self._ended and (event := self._reader.next_event()) is not None and event is not NEED_DATA:
            self._decoders.observe(event)
            self._take(event)
        rest = b""
        if self._ended:
            self._turn(Turn.ENDED)
            rest = self._reader.take_rest()
        stream = memoryview(self._chunk)[: len(self._chunk) - len(rest)]
        self._digest.update(stream)
        self._received += len(stream)
        self._chunk = rest
        if rest:
            self._follow()

    def _take(self, event: Event) -> None:
        if isinstance(event, SectionPayload):
            self._payloads.append(event.payload)
            if event.last:
                assert self._header is not None
                self._incoming.load(self._header, self._payloads)
                self._ask()
        elif isinstance(event, SectionStart):
            self._turn(_SECTIONS[event.type])
            self._header, self._payloads = event.header, []
        elif isinstance(event, Configuration):
            check_capabilities(event.body.capabilities, self._local)
            self._incoming.machine_type = event.body.machine_type
            self._handover = HANDOVER in event.body.capabilities
            self._incoming.strict = self._handover
        elif isinstance(event, Command):
            self._obey(event)
        elif isinstance(event, VmDescription):
            self._description = event.description

    def _obey(self, command: Command) -> None:
        if command.number == framing.OPEN_RETURN_PATH:
            self._return_path = True
        elif command.number == framing.SWITCHOVER_START:
            self._turn(Turn.SWITCHOVER)
        elif isinstance(command.payload, Ping):
            if not self._return_path:
                # qemu: migration/savevm.c:loadvm_process_command
                raise StreamError(
                    f"CMD_PING (0x{command.payload.value:x}) received with no return path", offset=command.offset
                )
            self._answer += Pong(command.payload.value).encode()
            if command.payload.value == ACK_PING and not self._incoming.awaiting_ack:
                self._answer += SwitchoverAck().encode()

    def _ask(self) -> None:
        """Ask at once for what frames built on and is not here: the source may still send it while the guest runs."""
        new = [key for key in self._incoming.needed if key not in self._asked]
        if new and self._handover and self.phase in (Phase.SETUP, Phase.ITERATE):
            self._asked += new
            self._answer += NeedFull(tuple(new), early=True).encode()

    # Behind the stream, with the hand-over.

    def _follow(self) -> None:
        self._orders.feed(self._chunk)
        while not self.finished and (order := self._orders.next_order()) is not None and order is not NEED_DATA:
            self._heed(order)

    def _heed(self, order: Order) -> None:
        if isinstance(order, Verify):
            self._verify(order)
        elif isinstance(order, Resend):
            decoded = FrameDecoder().decode(
                memoryview(order.frame), len(order.frame).__eq__, kind=framing.SECTION_FULL, offset=0, final=True
            )
            assert decoded is not None
            self._incoming.again(order.idstr, order.instance_id, decoded)
        elif isinstance(order, Discard):
            self._give_up()
        elif self.phase is Phase.HELD:
            self._start()
        else:
            raise StreamError(f"{Turn.GO.value} cannot come in phase '{self.phase.value}'", code="handover")

    def _verify(self, order: Verify) -> None:
        if order.digest != self._digest.digest():
            raise StreamError(
                "The stream was damaged on its way",
                expected=f"SHA-256 {order.digest.hex()}",
                got=self._digest.hexdigest(),
                hint="nothing was loaded for good: the source goes on, try again",
                code="damaged",
            )
        if self._incoming.needed:
            self._turn(Turn.INCOMPLETE)
            self._answer += NeedFull(tuple(self._incoming.needed)).encode()
            return
        self._load_rest()
        self.result = self._save_again(self._digest.hexdigest())
        answer = self.result.encode()
        self._turn(Turn.VERIFIED)
        self._answer += answer

    def _start(self) -> None:
        """The machine is this side's. If it does not start, nothing is said, and both sides are in doubt."""
        self._checkpoints.clear()
        traced = len(self.trace)
        for checkpoint in trace.DESTINATION_CHECKPOINTS[1:-1]:
            self._pass(checkpoint)
        self._machine.start()
        self._pass(trace.DESTINATION_CHECKPOINTS[-1])
        self._turn(Turn.GO)
        self._answer += Started(tuple(self._checkpoints), tuple(map(str, self.trace[traced:]))).encode()
        if self._return_path:
            self._answer += Shut(0).encode()

    def _give_up(self) -> None:
        self._turn(Turn.DISCARD)
        self.error = MigrationError("the source keeps the machine")
        self._undo()

    def _lose(self) -> None:
        self._turn(Turn.LOST)
        self.error = MigrationError(
            "the source is gone, and has not said whether the machine is given away; it is here, complete and paused: "
            "look at the source before this side runs"
        )

    def _cut_off(self) -> None:
        raise StreamError(
            "load of migration failed: Input/output error",
            offset=self._reader.offset,
            expected="the source's word that the machine is given away",
            got="the end of the connection",
            code="truncated",
        )

    # The end of the stream: the rest is loaded, everything is saved again.

    def _end(self) -> None:
        self._turn(Turn.ENDED)
        self._load_rest()
        for checkpoint in trace.DESTINATION_CHECKPOINTS[1:]:
            self._pass(checkpoint)
        self.result = self._save_again(self._digest.hexdigest())
        answer = self.result.encode()
        self._machine.start()
        self._turn(Turn.SAVED)
        self._finish(answer, 0)

    def _load_rest(self) -> None:
        self._incoming.complete(self._description)
        self._pass(trace.DESTINATION_CHECKPOINTS[0])
        self._incoming.clean_up()

    def _save_again(self, digest: str) -> Result:
        self.trace[:0] = self._incoming.trace_loads()
        sections = self._incoming.saved()
        return Result(
            self._engine or engine_in_use,
            self._received,
            digest,
            None,
            sections,
            tuple(self._checkpoints),
            tuple(map(str, self.trace)),
        )

    def _pass(self, checkpoint: str) -> None:
        self._checkpoints.append((checkpoint, self._clock()))
        self.trace.append(trace.checkpoint(checkpoint))


__all__ = ["Destination", "Phase"]
