"""Streams to migrate, and a channel without sockets: what the tests of this folder share."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from vnetmig.migration.destination import Destination, Phase
from vnetmig.migration.machine import Machine
from vnetmig.migration.result import AnswerReader, Result
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


def pour(source: Source, take: Callable[[bytes], object]) -> None:
    """Everything that the source has to say, piece by piece."""
    while (data := source.next_bytes()) is not None:
        take(data)


def sent_by(source: Source) -> bytes:
    parts: list[bytes] = []
    pour(source, parts.append)
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


def in_step(
    source: Source, destination: Destination | None = None, between: Callable[[bytes], object] = len
) -> Destination:
    """The same piece by piece, each answered before the next; ``between`` sees every piece before it is sent."""
    destination = destination or Destination(page_size=source.machine.page_size)
    while source.state not in FINAL:
        data = source.next_bytes()
        if data is None:
            destination.close()
            source.answer(destination.answer())
            source.close()
            break
        between(data)
        destination.feed(data)
        source.answer(destination.answer())
    destination.feed(sent_by(source))
    destination.close()
    return destination


def received(data: bytes, destination: Destination | None = None) -> Destination:
    """A destination that has got ``data`` and nothing behind it."""
    destination = destination or Destination()
    destination.feed(data)
    destination.close()
    return destination


def refusal(data: bytes, destination: Destination | None = None) -> str:
    """The error, after a look at everything that has to hold when there is one."""
    destination = received(data, destination)
    assert destination.phase is Phase.FAILED
    reader = AnswerReader()
    reader.feed(destination.answer())
    reader.close()
    replies = []
    while (reply := reader.next_answer()) is not None:
        replies.append(reply)
    (answer,) = (reply for reply in replies if isinstance(reply, Result))
    assert answer.error == str(destination.error)
    assert answer.sections == ()
    return str(destination.error)
