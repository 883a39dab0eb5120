"""Streams to migrate, and a channel without sockets: what the tests of this folder share."""

from __future__ import annotations

import lzma
from functools import lru_cache
from pathlib import Path

from vnetmig.migration.destination import Destination
from vnetmig.migration.machine import Machine
from vnetmig.migration.source import Source

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
    """Both ends in one process, the stream in pieces of ``step`` bytes."""
    destination = destination or Destination(page_size=source.machine.page_size)
    stream = sent_by(source)
    for at in range(0, len(stream), step):
        destination.feed(stream[at : at + step])
        source.answer(destination.answer())
    destination.close()
    source.answer(destination.answer())
    source.close()
    return destination
