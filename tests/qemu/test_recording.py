"""What is kept of a stream is what a file would have got, however it comes; what cannot be answered is refused."""

from __future__ import annotations

from functools import cache

import pytest
from command_line import sample_bytes, stream_bytes
from hypothesis import given
from hypothesis import strategies as st

import vnetmig
from vnetmig.errors import MigrationError, StreamError
from vnetmig.qemu.recording import Recording
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping, PostcopyAdvise
from vnetmig.stream.events import Command, Configuration
from vnetmig.stream.return_path import Pong

ASKING = Command(framing.OPEN_RETURN_PATH).encode() + Command(framing.PING, Ping(7)).encode()


@cache
def asking(commands: bytes = ASKING) -> bytes:
    """The sample as a source with return-path sends it: ``commands`` stand behind the configuration."""
    data = sample_bytes()
    found = next(event for event in vnetmig.load(data).events if isinstance(event, Configuration))
    behind = found.offset + found.size
    return data[:behind] + commands + data[behind:]


def recorded(data: bytes, recording: Recording, cuts: list[int] | None = None) -> bytes:
    kept = bytearray()
    at = 0
    for end in [*(cuts or []), len(data)]:
        for piece in recording.feed(data[at:end], now=at):
            kept += piece
        at = end
    return bytes(kept)


@given(st.lists(st.integers(1, 400) | st.integers(1, len(sample_bytes())), max_size=12))
def test_what_asks_is_answered_and_left_out(cuts: list[int]) -> None:
    recording = Recording()
    assert recorded(asking(), recording, sorted(cuts)) == sample_bytes()
    assert recording.return_path
    assert recording.answers == [Pong(7)]
    assert recording.ended


@pytest.mark.parametrize("name", ["linux-user-1q-ping-q52", "microvm-mmio-q72", "rfc-user-1q", "virtio-mem-q111"])
def test_byte_by_byte(name: str) -> None:
    data = stream_bytes(name)
    recording = Recording()
    kept = recorded(data[:2000], recording, list(range(1, 2000)))
    assert kept == data[: len(kept)]
    for piece in recording.feed(data[2000:], now=0):
        kept += piece
    assert kept == data
    assert recording.ended


def test_pages_are_left_out_and_nothing_else() -> None:
    data = stream_bytes("linux-user-packed-q72")
    recording = Recording(pages=False)
    kept = recorded(data, recording, [5000, 5001, 70000])
    assert len(kept) == len(data) - recording.left_out
    assert recording.left_out > 100_000
    whole, without = vnetmig.load(data), vnetmig.load(kept)
    assert [section.idstr for section in without.sections] == [section.idstr for section in whole.sections]
    for section, other in zip(whole.sections, without.sections, strict=True):
        if section.idstr != "ram" or section.type == "start":
            assert [event.encode() for event in section.payloads] == [event.encode() for event in other.payloads]
        else:
            assert other.payloads[0].size == 8


@pytest.mark.parametrize("name", ["linux-user-1q-ping-q52", "virtio-mem-q111"])
def test_an_end_without_a_description_is_one_when_nothing_follows(name: str) -> None:
    data = stream_bytes(name)
    description = vnetmig.load(data).events[-1]
    recording = Recording()
    kept = recorded(data[: description.offset - 1], recording)
    assert not recording.may_have_ended
    kept += recorded(data[description.offset - 1 : description.offset], recording)
    assert recording.may_have_ended
    assert not recording.ended
    for piece in recording.close(now=0):
        kept += piece
    assert recording.ended
    assert kept == data[: description.offset]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command(framing.POSTCOPY_ADVISE, PostcopyAdvise(4096, 4096)), "postcopy"),
        (Command(framing.POSTCOPY_ADVISE, PostcopyAdvise()), "postcopy"),
        (Command(framing.ENABLE_COLO), "COLO"),
    ],
)
def test_what_takes_a_machine_is_refused(command: Command, words: str) -> None:
    with pytest.raises(MigrationError, match=words):
        recorded(asking(command.encode()), Recording())


def test_what_is_no_stream() -> None:
    with pytest.raises(StreamError, match="Not a migration stream"):
        recorded(b"GET / HTTP/1.1\r\n", Recording())
    recording = Recording()
    recorded(sample_bytes()[:5000], recording)
    with pytest.raises(StreamError):
        recording.close(now=0)
