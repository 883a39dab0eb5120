"""Migrations in memory before the ones that count, and what they sent, to warm a destination up with.

A fresh Python process pays once for what it does first: modules, caches, programs, memory. In the modes that send a
device early that would fall outside of the downtime, in stock mode inside of it: they would look faster than they are.
So both sides have done everything once, in every mode, with devices of the same shape. Devices that load themselves
stay out of it: here they would load into what they are about to send. Knows sources and destinations;
knows no channel, and measures nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from vnetmig.cli.incoming_machine import Incoming
from vnetmig.cli.outgoing import GuestKind, running
from vnetmig.migration.destination import Destination
from vnetmig.migration.in_memory import InMemoryChannel
from vnetmig.migration.machine import Machine
from vnetmig.migration.options import Options
from vnetmig.migration.run import drive
from vnetmig.migration.source import Source

RECORDED_MAX: Final = 16 << 20
"""Bytes of recorded RAM and the like that a rehearsal takes along; more of them say nothing about devices."""

SUFFIX: Final = ".rehearsal"


def rehearse(
    machine: Machine,
    modes: Sequence[str],
    folder: Path,
    *,
    options: Options,
    guest: GuestKind | None,
    engine: str | None,
) -> None:
    """Migrate in every mode, and leave in ``folder`` what the source sent. How it ends is not looked at."""
    if sum(len(r.start) + sum(map(len, r.parts)) + len(r.end) for r in machine.recordings) > RECORDED_MAX:
        machine = replace(machine, recordings=[], rounds=())
    # at full speed, and with nothing to wait for
    options = replace(options, bandwidth=None)
    for number, mode in enumerate(modes):
        with Incoming("null", guest=guest is not None) as there:
            destination = Destination(
                engine=engine, machine=there.machine, page_size=machine.page_size, registered=False
            )
            if guest is None:
                sent = _sent(Source(machine, mode, options=options, engine=engine, registered=False), destination)
            else:
                with running(machine, guest, seed=1) as here:
                    source = Source(here.machine, mode, options=options, engine=engine, outgoing=here, registered=False)
                    sent = _sent(source, destination)
            there.go_on(destination, steps=1)
        (folder / f"{number}{SUFFIX}").write_bytes(sent)
    settle()


class _Recorder(InMemoryChannel):
    """Keeps what was sent."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self.sent = bytearray()

    def send(self, data: bytes) -> None:
        self.sent += data
        super().send(data)


def _sent(source: Source, destination: Destination) -> bytes:
    """Everything that the source had to say until its migration was over."""
    recorder = _Recorder(destination)
    drive(source, recorder)
    return bytes(recorder.sent)


def replay(folder: Path, kind: str, *, guest: bool, engine: str | None, page_size: int | None) -> None:
    """Take what was rehearsed, with backends of ``kind``, as a destination."""
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        with Incoming(kind, guest=guest) as there:
            destination = Destination(engine=engine, machine=there.machine, page_size=page_size, registered=False)
            destination.feed(file.read_bytes())
            destination.close()
            there.go_on(destination, steps=1)
    settle()


def settle() -> None:
    """What is left of a rehearsal must not be looked through while it counts."""
    gc.collect()
    gc.freeze()


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage is collected while this lasts: it would fall on whatever is measured just then."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
