"""Real streams of real QEMUs through the reader, whole and broken."""

from __future__ import annotations

import json
import lzma
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.stream.commands import Ping, PostcopyAdvise
from vnetmig.stream.events import Command, Configuration, Event, SectionPayload, VmDescription
from vnetmig.stream.mapped_ram import MappedRamDecoder
from vnetmig.stream.payload import Decoder, SectionHeader
from vnetmig.stream.ram import Grammar, RamDecoder
from vnetmig.stream.reader import read_events
from vnetmig.stream.vmdescription import Description, find

Lengths = dict[tuple[str, int], list[int]]


def encode(events: Sequence[Event]) -> bytes:
    return b"".join(event.encode() for event in events)


def split(data: bytes, seed: int, pieces: int) -> list[bytes]:
    cuts = sorted(random.Random(seed).choices(range(len(data) + 1), k=pieces))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


STREAMS = Path(os.environ.get("VNETMIG_STREAMS", "/nonexistent"))
needs_streams = pytest.mark.skipif(
    not STREAMS.is_dir(), reason="VNETMIG_STREAMS does not name a folder of captured streams"
)
NAMES = sorted({path.parent.name for path in STREAMS.glob("*/stream.bin*")})


@lru_cache(maxsize=2)
def capture(name: str) -> bytes:
    plain = STREAMS / name / "stream.bin"
    return plain.read_bytes() if plain.exists() else lzma.decompress(plain.with_suffix(".bin.xz").read_bytes())


class Guest:
    """Chooses the decoder of RAM by what the stream said before."""

    def __init__(self) -> None:
        self.capabilities: tuple[str, ...] = ()
        self.postcopy = False

    def decoder_for(self, header: SectionHeader) -> Decoder | None:
        if header.idstr != "ram":
            return None
        grammar = Grammar(ignore_shared="x-ignore-shared" in self.capabilities, postcopy=self.postcopy)
        return MappedRamDecoder(grammar) if "mapped-ram" in self.capabilities else RamDecoder(grammar)

    def saw(self, event: Event) -> None:
        if isinstance(event, Configuration):
            self.capabilities = event.body.capabilities
        elif isinstance(event, Command) and isinstance(event.payload, PostcopyAdvise):
            self.postcopy = event.payload.ram


def outcome(pieces: Iterable[bytes], lengths: Lengths | None) -> tuple[list[Event], StreamError | None]:
    """All events up to the end or the fault."""
    guest = Guest()
    found: list[Event] = []
    try:
        for event in read_events(pieces, guest.decoder_for, lengths):
            guest.saw(event)
            found.append(event)
    except StreamError as error:
        return found, error
    return found, None


def read(pieces: Iterable[bytes], lengths: Lengths | None = None) -> list[Event]:
    events, error = outcome(pieces, lengths)
    assert error is None, str(error)
    return events


def read_back_or_refused(data: bytes, pieces: Iterable[bytes], lengths: Lengths | None) -> None:
    events, error = outcome(pieces, lengths)
    if error is None:
        assert encode(events) == data
    else:
        assert 0 <= error.offset <= len(data)
        assert data.startswith(encode(events))


def described(data: bytes) -> Lengths | None:
    where = find(data)
    return None if where is None else Description(data[where[0] : sum(where)]).lengths()


@needs_streams
@pytest.mark.parametrize("name", NAMES)
def test_a_capture_is_written_again_from_its_events(name: str) -> None:
    data = capture(name)
    lengths = described(data)
    measured = read([data], lengths)
    assert encode(measured) == data
    assert sum(event.size for event in measured) == len(data)
    assumed = read(split(data, 1, 50))
    plain = [replace(event, assumed=False) if isinstance(event, SectionPayload) else event for event in assumed]
    if lengths is not None and not name.startswith("rfc-"):
        assert plain == measured
    assert encode(assumed) == data
    assert isinstance(measured[-1], VmDescription) is (lengths is not None)


@needs_streams
@pytest.mark.parametrize("name", ["microvm-mmio-q72", "proxy-postcopy-fw-q111", "rfc-user-1q"])
def test_a_capture_may_arrive_byte_by_byte(name: str) -> None:
    if name in NAMES:
        data = capture(name)
        assert read([bytes((byte,)) for byte in data]) == read([data])


@needs_streams
def test_the_commands_of_a_postcopy_migration() -> None:
    events = read([capture("proxy-postcopy-fw-q111")])
    names = [event.name for event in events if isinstance(event, Command)]
    assert [name for name in names if name != "POSTCOPY_RAM_DISCARD"] == [
        "OPEN_RETURN_PATH",
        "PING",
        "POSTCOPY_ADVISE",
        "SWITCHOVER_START",
        "PING",
        "PACKAGED",
        "POSTCOPY_LISTEN",
        "PING",
        "PING",
        "POSTCOPY_RUN",
        "PING",
    ]
    payloads = [event.payload for event in events if isinstance(event, Command)]
    values = [payload.value for payload in payloads if isinstance(payload, Ping)]
    assert values == [1, 2, 3, 0x42, 4]


@needs_streams
@pytest.mark.parametrize("name", ["proxy-multifd-fw-q72"])
def test_a_multifd_channel_is_not_a_main_channel(name: str) -> None:
    data = lzma.decompress((STREAMS / name / "channel1.bin.xz").read_bytes())
    with pytest.raises(StreamError, match="Not a migration stream: this is a multifd channel, not a main channel"):
        read_events([data], Guest().decoder_for).__next__()


def doctored(case: str) -> bytes:
    """A stream of the collection of broken ones, from its base and the edits."""
    edits = json.loads((STREAMS / "bad" / case / "edits.json").read_text())
    data = capture(f"bad/{edits['base']}")
    shift = 0
    for edit in edits["ops"]:
        at = edit["off"] + shift
        new = bytes.fromhex(edit["insert"])
        data = data[:at] + new + data[at + edit["delete"] :]
        shift += len(new) - edit["delete"]
    return data


FRAMING_FAULTS = {
    "19-magic": "Not a migration stream",
    "20-section-type": "Unknown savevm section type 9",
    "15-footer-missing": "Missing section footer for 0000:00:02.0/virtio-net",
}


@needs_streams
@pytest.mark.parametrize("version", ["q52", "q72", "q100", "q111"])
@pytest.mark.parametrize(("case", "message"), FRAMING_FAULTS.items())
def test_broken_framing_in_the_words_of_the_real_qemu(case: str, message: str, version: str) -> None:
    data = doctored(f"{case}-{version}")
    _, error = outcome([data], None)
    assert str(error).startswith(message)
    said = (STREAMS / "bad" / f"{case}-{version}" / "error.txt").read_text()
    assert message.replace("savevm ", "") in said.replace("savevm ", "")


@needs_streams
def test_every_broken_capture_is_read_back_or_refused() -> None:
    for path in sorted((STREAMS / "bad").glob("*/edits.json")):
        data = doctored(path.parent.name)
        for lengths in (None, described(data)):
            read_back_or_refused(data, [data], lengths)


@needs_streams
@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_any_damage_to_a_capture_is_read_back_or_refused(chance: random.Random) -> None:
    data = bytearray(capture("microvm-mmio-q72"))
    lengths = described(bytes(data)) if chance.random() < 0.5 else None
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    broken = bytes(data)
    read_back_or_refused(broken, split(broken, chance.randrange(1000), 5), lengths)
