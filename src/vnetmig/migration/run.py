"""A whole migration over a channel: the loops around source and destination.

Knows when to send and when to listen; knows no socket. A channel is anything that keeps the Protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from vnetmig.errors import ChannelError, MigrationError, VnetmigError
from vnetmig.migration.capabilities import HANDOVER
from vnetmig.migration.comparison import Difference
from vnetmig.migration.destination import Destination
from vnetmig.migration.final_frame import FinalFrame
from vnetmig.migration.machine import Machine
from vnetmig.migration.machine_control import IncomingMachine, OutgoingMachine
from vnetmig.migration.modes import Mode, mode_named
from vnetmig.migration.options import DEFAULTS, Options
from vnetmig.migration.pace import Pace
from vnetmig.migration.registry import Registry
from vnetmig.migration.result import Result
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import FINAL, GUEST_RUNS, State
from vnetmig.migration.timeline import Timeline
from vnetmig.stream.guest_memory import GuestMemory

CHUNK = 1 << 18
"""Bytes asked for at a time."""


class Channel(Protocol):
    """Two-way, in order, without loss. Everything that goes wrong is a ChannelError."""

    def send(self, data: bytes) -> None:
        """All of it, or an error."""

    def receive(self, limit: int) -> bytes:
        """At least one byte and at most ``limit``; nothing when the other side has finished."""

    def ready(self) -> bool:
        """Would ``receive`` return at once?"""

    def finish(self) -> None:
        """Nothing more will be sent; the other side's ``receive`` ends. Receiving goes on."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Final:
    """A device that went in a frame at the end. ``form``: the frame's flag by name; ``resends``: times its state was
    sent again while the guest ran; ``changed``: fields that the frame changed, by path."""

    idstr: str
    instance_id: int
    form: str
    resends: int
    changed: tuple[str, ...]

    @classmethod
    def of(cls, final: FinalFrame) -> Final:
        device = final.sent.device
        changed = tuple(change.path for change in final.sent.changes())
        return cls(device.idstr, device.instance_id, final.form, final.sent.resends, changed)


@dataclass(frozen=True, slots=True)
class MigrationOutcome:
    """How it went, as the source knows it. ``owner``: who has the machine now, ``source``, ``destination`` or
    ``in-doubt``. ``differences``: where the destination holds something else than was sent."""

    state: str
    owner: str
    timeline: Timeline
    differences: tuple[Difference, ...] = ()
    error: str | None = None
    result: Result | None = None
    source_trace: tuple[str, ...] = ()
    finals: tuple[Final, ...] = ()

    @property
    def completed(self) -> bool:
        return self.state == State.DONE.value

    @property
    def destination_trace(self) -> tuple[str, ...]:
        return self.result.trace if self.result is not None else ()


def serve_incoming(
    channel: Channel,
    engine: str | None = None,
    *,
    registry: Registry | None = None,
    machine: IncomingMachine | None = None,
    capabilities: Iterable[str] | None = None,
    page_size: int | None = None,
) -> Destination:
    """Be the destination of one migration; returns when it is over here, one way or the other: see ``owner`` and
    ``error`` of what is returned. A channel that breaks is an error of the migration.

    The keywords are those of Destination; ``page_size`` is the machine's, which the stream does not tell in time.
    """
    destination = Destination(
        engine=engine, registry=registry, machine=machine, capabilities=capabilities, page_size=page_size
    )
    try:
        while not destination.finished:
            data = channel.receive(CHUNK)
            if data:
                destination.feed(data)
            else:
                destination.close()
            _send(channel, destination.answer())
        channel.finish()
        while channel.receive(CHUNK):
            pass  # a source in full flow must be let run out, or the system throws our answer away with its bytes
    except ChannelError as error:
        destination.lose(error)
    return destination


def send_migration(
    channel: Channel,
    machine: Machine,
    mode: str | Mode = "stock",
    *,
    options: Options = DEFAULTS,
    engine: str | None = None,
    memory: GuestMemory | None = None,
    registry: Registry | None = None,
    outgoing: OutgoingMachine | None = None,
    confirm: bool = True,
    progress: Callable[[int], None] | None = None,
) -> MigrationOutcome:
    """Be the source: send ``machine``, hear what the destination holds, compare, give it away.

    ``memory``: guest pages beside the machine's own RAM; those that hold rings travel. ``confirm`` False: nobody will
    answer (a file, a pipe). ``progress`` is called with the bytes sent so far. Errors are in the outcome.
    """
    if memory is not None:
        machine = machine.with_memory(memory)
    answered = options.switchover_ack or HANDOVER in (*mode_named(mode).capabilities, *options.capabilities)
    if not confirm and answered:
        raise MigrationError(f"mode '{mode_named(mode).name}' with these options needs a destination that answers")
    source = Source(machine, mode, options=options, engine=engine, registry=registry, outgoing=outgoing)
    drive(source, channel, confirm=confirm, progress=progress)
    return outcome_of(source)


def outcome_of(source: Source) -> MigrationOutcome:
    """How the migration of ``source`` went, or is going."""
    return MigrationOutcome(
        source.state.value,
        source.owner,
        source.timeline(),
        source.differences,
        str(source.error) if source.error is not None else None,
        source.result,
        tuple(map(str, source.trace)),
        tuple(Final.of(final) for final in source.plan.finals.values() if final.last is not None),
    )


def drive(
    source: Source, channel: Channel, *, confirm: bool = True, progress: Callable[[int], None] | None = None
) -> None:
    """Everything between ``source`` and its channel, until the migration is over here. Errors are in the source."""
    try:
        _drive(source, channel, confirm=confirm, progress=progress)
    except ChannelError as error:
        _hear_out(source, channel)
        source.lose(error)
    except VnetmigError:
        _bid_farewell(source, channel)  # the source keeps the error, with its state


def _drive(source: Source, channel: Channel, *, confirm: bool, progress: Callable[[int], None] | None) -> None:
    sent = 0
    pace = Pace(source.options.bandwidth)
    finished = False
    while source.state not in FINAL:
        data = source.next_bytes()
        if data is not None:
            channel.send(data)
            sent += len(data)
            if progress is not None:
                progress(sent)
            if source.state in GUEST_RUNS:
                pace.wait(len(data))
                if channel.ready():
                    source.answer(channel.receive(CHUNK))
            continue
        if source.finished_sending and not finished:
            channel.finish()
            finished = True
        if source.state is State.CONFIRM and not confirm:
            source.unconfirmed()
        elif source.state not in FINAL:
            answer = channel.receive(CHUNK)
            if answer:
                source.answer(answer)
            else:
                source.close()
    _bid_farewell(source, channel)
    channel.finish()


def _bid_farewell(source: Source, channel: Channel) -> None:
    """What a source that gives up has still to say."""
    with suppress(ChannelError):
        while source.state in FINAL and (data := source.next_bytes()) is not None:
            channel.send(data)


def _hear_out(source: Source, channel: Channel) -> None:
    """What the destination managed to say before the channel broke."""
    try:
        while source.state not in FINAL and (answer := channel.receive(CHUNK)):
            source.answer(answer)
    except ChannelError:
        pass


def _send(channel: Channel, data: bytes) -> None:
    if data:
        channel.send(data)
