"""Live migration in one call: a stream's devices to an address, a channel or a destination in this process.

Knows documents, addresses and what a source needs of them; the order of a migration is the migration layer's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from vnetmig.channel.opening import connect
from vnetmig.document.load import Source, load
from vnetmig.document.stream import Stream
from vnetmig.errors import MigrationError
from vnetmig.migration.destination import Destination
from vnetmig.migration.in_memory import InMemoryChannel
from vnetmig.migration.machine import Machine
from vnetmig.migration.machine_control import OutgoingMachine
from vnetmig.migration.modes import Mode
from vnetmig.migration.options import Options
from vnetmig.migration.registry import Registry
from vnetmig.migration.run import Channel, MigrationOutcome, send_migration
from vnetmig.migration.timeline import Timeline
from vnetmig.stream.guest_memory import MemorySource, load_memory

_OPTIONS = tuple(field.name for field in fields(Options))


def migrate(
    source: Machine | Stream | Source,
    destination: str | Channel | Destination,
    mode: str | Mode = "iterative",
    *,
    memory: MemorySource | None = None,
    engine: str | None = None,
    registry: Registry | None = None,
    outgoing: OutgoingMachine | None = None,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Timeline:
    """Send a machine's devices and RAM, hear what the other side holds, give the machine away.

    ``source``: a Machine, a Stream with whatever was changed in it, or anything that ``load`` takes. ``destination``:
    an address (``unix:PATH``, ``tcp:HOST:PORT``, ``fd:N``, ``file:PATH``), an open channel, which stays open, or a
    Destination in this process. ``mode``: one of MODES. ``memory``: guest pages beside the stream's own, as for
    ``load``; those that hold rings travel too. ``registry``: devices that take part beside those registered globally.
    ``progress`` is called with the bytes sent so far. ``options`` are the fields of Options: used_queues,
    switchover_ack, handover, resends, bandwidth, downtime_limit.

    Returns the times of both sides. Behind a file or a pipe nobody answers: done is what is sent, and modes with the
    hand-over are refused. ChannelError when the address cannot be reached. Every other end than a destination that
    holds what was sent is a MigrationError; its ``outcome`` says who owns the machine now.

    >>> import vnetmig
    >>> stream = vnetmig.load(vnetmig.sample())
    >>> stream.device("virtio-net").mac = "52:54:00:aa:bb:cc"
    >>> there = Destination()
    >>> timeline = migrate(stream, there, mode="iterative-delta", used_queues="bitmap")
    >>> there.owner, timeline.mode
    ('destination', 'iterative-delta')
    >>> [device.state["mac"] for device in there.devices if device.idstr.endswith("virtio-net")]
    ['52:54:00:aa:bb:cc']
    """
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise TypeError(f"migrate() has no option '{unknown[0]}'; there is: {', '.join(_OPTIONS)}")
    chosen = Options(**options)
    machine = _machine(source, engine)
    pages = load_memory(memory, machine.machine_type or "pc") if memory is not None else None

    def send(channel: Channel) -> MigrationOutcome:
        return send_migration(
            channel,
            machine,
            mode,
            options=chosen,
            engine=engine,
            memory=pages,
            registry=registry,
            outgoing=outgoing,
            confirm=getattr(channel, "two_way", True),
            progress=progress,
        )

    if isinstance(destination, str):
        with connect(destination) as channel:
            outcome = send(channel)
    elif isinstance(destination, Destination):
        outcome = send(InMemoryChannel(destination))
        destination.close()
    else:
        outcome = send(destination)
    if not outcome.completed:
        raise _failure(outcome)
    return outcome.timeline


def _machine(source: Machine | Stream | Source, engine: str | None) -> Machine:
    if isinstance(source, Machine):
        return source
    stream = source if isinstance(source, Stream) else load(source, engine=engine)
    if stream.error is not None:
        raise stream.error
    return Machine.from_events(stream.current_events(), engine)


def _failure(outcome: MigrationOutcome) -> MigrationError:
    error = MigrationError(
        f"{outcome.error or 'the migration did not complete'}\n"
        f"  state '{outcome.state}', owner of the machine: {outcome.owner}"
    )
    error.outcome = outcome
    return error
