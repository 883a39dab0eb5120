"""What comes before and around a device state: feeding a stream, descriptions into programs, whole documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import pytest

import vnetmig
from vnetmig.document.incoming import Incoming
from vnetmig.document.stream import Stream
from vnetmig.engine import engines
from vnetmig.migration.decoders import Decoders
from vnetmig.stream import vmdescription
from vnetmig.stream.container import open_container
from vnetmig.stream.reader import NEED_DATA, StreamReader
from vnetmig.stream.vmdescription import Description
from vnetmig.virtio.net import SECTION
from vnetmig.vmstate import Program
from vnetmig.vmstate.vmdesc import describe


@lru_cache(maxsize=1)
def stream() -> bytes:
    return b"".join(open_container(vnetmig.sample()).chunks)


@lru_cache(maxsize=1)
def description() -> Description:
    place = vmdescription.find(stream())
    assert place is not None
    return Description(stream()[place[0] : place[0] + place[1]])


def pieces(size: int) -> Iterator[bytes]:
    data = stream()
    return (data[at : at + size] for at in range(0, len(data), size))


def read(size: int, engine: str) -> int:
    """Events of the sample, fed ``size`` bytes at a time."""
    decoders = Decoders(engine)
    reader = StreamReader(decoders, description().lengths())
    number = 0
    for piece in pieces(size):
        reader.feed(piece)
        while (event := reader.next_event()) is not NEED_DATA and event is not None:
            decoders.observe(event)
            number += 1
    reader.close()
    while (event := reader.next_event()) is not None:
        if event is not NEED_DATA:
            decoders.observe(event)
            number += 1
    return number


def call_in_vain(size: int) -> None:
    """The calls of ``read`` with nothing behind them: what feeding in pieces costs at least."""
    reader = _Nothing()
    for piece in pieces(size):
        reader.feed(piece)
        while (event := reader.next_event()) is not NEED_DATA and event is not None:
            pass


class _Nothing:
    def feed(self, data: bytes) -> None:
        pass

    def next_event(self) -> object:
        return NEED_DATA


FEEDS = {"whole": 1 << 30, "4096 bytes": 4096, "64 bytes": 64, "byte by byte": 1}
IN_VAIN = "byte by byte, calls alone"


@pytest.mark.parametrize("feed", [*FEEDS, IN_VAIN])
@pytest.mark.parametrize("engine_name", engines())
def test_feeding(
    measured: Callable[[Any, str], None], contest: Callable[..., Any], engine_name: str, feed: str
) -> None:
    """The reader does not look again at bytes that cannot be enough: feeding byte by byte costs calls, no more."""

    def build() -> dict[str, Callable[[], object]]:
        numbers = {read(size, engine_name) for size in FEEDS.values()}
        assert len(numbers) == 1
        calls: dict[str, Callable[[], object]] = {
            name: partial(read, size, engine_name) for name, size in FEEDS.items()
        }
        return {**calls, IN_VAIN: lambda: call_in_vain(1)}

    measured(contest(f"feed the sample, {engine_name}", build, ("whole", IN_VAIN)), feed)


def values(size: int, engine: str) -> Stream:
    """The sample as a document that has every device's values, fed ``size`` bytes at a time."""
    incoming = Incoming(Stream(engine))
    for piece in pieces(size):
        incoming.feed(piece)
    document = incoming.close()
    for section in document.sections:
        assert section.record is not None or section.idstr == "ram"
    return document


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("engine_name", engines())
def test_a_document_in_pieces(
    measured: Callable[[Any, str], None], contest: Callable[..., Any], engine_name: str, feed: str
) -> None:
    """What a destination does with a stream: events and values, however the bytes come."""

    def build() -> dict[str, Callable[[], object]]:
        whole, bytewise = values(FEEDS["whole"], engine_name), values(1, engine_name)
        assert whole.encode() == bytewise.encode() and len(whole.events) == len(bytewise.events)
        return {name: partial(values, size, engine_name) for name, size in FEEDS.items()}

    measured(contest(f"values of the sample, {engine_name}", build, ("whole",)), feed)


@pytest.mark.parametrize("candidate", engines())
def test_load_a_document(measured: Callable[[Any, str], None], contest: Callable[..., Any], candidate: str) -> None:
    def build() -> dict[str, Callable[[], object]]:
        return {name: partial(vnetmig.load, stream(), engine=name) for name in engines()}

    measured(contest("load the sample as a document", build, engines()[:1]), candidate)


PARAMETERS = {"mmio": 0, "config_size": 256, "vectors": 10, "multiqueue": 1}
COMPILE: dict[str, Callable[[], object]] = {
    "vmdesc to programs": lambda: [Program(describe(device.json)) for device in description().devices],
    "vmdesc JSON": lambda: Description(description().encode()).devices,
    "virtio-net to a program": lambda: Program(SECTION, PARAMETERS),
}


@pytest.mark.parametrize("candidate", list(COMPILE))
def test_compile(measured: Callable[[Any, str], None], contest: Callable[..., Any], candidate: str) -> None:
    measured(contest("compile", lambda: COMPILE, ("virtio-net to a program",)), candidate)
