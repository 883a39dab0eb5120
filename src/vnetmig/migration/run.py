"""A whole migration over a channel: the loops around source and destination.

Knows when to send and when to listen; knows no socket. A channel is anything that keeps the Protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from vnetmig.errors import ChannelError, VnetmigError
from vnetmig.migration.comparison import Difference
from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import Mode
from vnetmig.migration.registry import Registry
from vnetmig.migration.result import Result
from vnetmig.migration.source import FINAL, Source, State
from vnetmig.migration.timeline import Timeline
from vnetmig.stream.guest_memory import GuestMemory

CHUNK: Final = 1 << 18
"""Bytes asked for at a time."""


class Channel(Protocol):
    """Two-way, in order, without loss. Everything that goes wrong is a ChannelError."""

    def send(self, data: bytes) -> None:
        """All of it, or an error."""

    def receive(self, limit: int) -> bytes:
        """At least one byte and at most ``limit``; nothing when the other side has finished."""

    def finish(self) -> None:
        """Nothing more will be sent; the other side's ``receive`` ends. Receiving goes on."""

    def close(self) -> None: ...


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
    capabilities: Iterable[str] | None = None,
    page_size: int | None = None,
) -> Destination:
    """Be the destination of one migration; returns when the source has its answer. ChannelError if it is gone.

    The keywords are those of Destination; ``page_size`` is the machine's, which the stream does not tell in time.
    """
    destination = Destination(engine=engine, registry=registry, capabilities=capabilities, page_size=page_size)
    while data := channel.receive(CHUNK):
        destination.feed(data)
        _send(channel, destination.answer())
        if destination.phase is Phase.FAILED:
            break
    destination.close()
    _send(channel, destination.answer())
    channel.finish()
    while channel.receive(CHUNK):
        pass  # a source in full flow must be let run out, or the system throws our answer away with its bytes
    return destination


def send_migration(
    channel: Channel,
    machine: Machine,
    mode: str | Mode = "stock",
    *,
    engine: str | None = None,
    memory: GuestMemory | None = None,
    registry: Registry | None = None,
    confirm: bool = True,
    progress: Callable[[int], None] | None = None,
) -> MigrationOutcome:
    """Be the source: send ``machine``, hear what the destination holds, compare.

    ``memory``: guest pages beside the machine's own RAM; those that hold rings travel. ``confirm`` False: nobody will
    answer (a file, a pipe). ``progress`` is called with the bytes sent so far. Errors are in the outcome.
    """
    if memory is not None:
        machine = machine.with_memory(memory)
    source = Source(machine, mode, engine=engine, registry=registry)
    try:
        _drive(source, channel, confirm=confirm, progress=progress)
    except ChannelError as error:
        _hear_out(source, channel)
        source.lose(error)
    except VnetmigError:
        pass  # the source keeps it, with its state
    return MigrationOutcome(
        source.state.value,
        source.owner,
        source.timeline(),
        source.differences,
        str(source.error) if source.error is not None else None,
        source.result,
        tuple(map(str, source.trace)),
    )


def _drive(source: Source, channel: Channel, *, confirm: bool, progress: Callable[[int], None] | None) -> None:
    sent = 0
    while (data := source.next_bytes()) is not None:
        channel.send(data)
        sent += len(data)
        if progress is not None:
            progress(sent)
    channel.finish()
    if not confirm:
        source.unconfirmed()
    while source.state not in FINAL:
        answer = channel.receive(CHUNK)
        if not answer:
            source.close()
            break
        source.answer(answer)


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
