"""Streams to migrate, and a channel without sockets: what the tests of this folder share."""

from __future__ import annotations

import lzma
from functools import lru_cache
from pathlib import Path

from vnetmig.migration.destination import Destination
from vnetmig.migration.machine import Machine
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import FINAL

STREAMS = Path(__file__).resolve().parent.parent / "streams"


@lru_cache(maxsize=4)
def stream_of(folder: Path) -> bytes:
    packed = folder / "stream.bin.xz"
    return lzma.decompress(packed.read_bytes()) if packed.exists() else (folder / "stream.bin").read_bytes()


@lru_cache(maxsize=4)
def machine_of(folder: Path) -> Machine:
    return Machine.from_bytes(stream_of(folder))


def sent_by(source: Source) -> bytes:
    """Everything that the source has to say."""
    parts = []
    while (data := source.next_bytes()) is not None:
        parts.append(data)
    return b"".join(parts)


def migrated(source: Source, destination: Destination | None = None, *, step: int = 1 << 16) -> Destination:
    """Both ends in one process, what is sent in pieces of ``step`` bytes, until neither has anything to say."""
    destination = destination or Destination(page_size=source.machine.page_size)
    while source.state not in FINAL:
        before = source.state
        data = sent_by(source)
        for at in range(0, len(data), step):
            destination.feed(data[at : at + step])
            source.answer(destination.answer())
        if source.finished_sending:
            destination.close()
        source.answer(destination.answer())
        if not data and source.state is before:
            source.close()
    destination.feed(sent_by(source))
    destination.close()
    return destination
