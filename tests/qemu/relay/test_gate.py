"""What a gate lets go on is what the same check and the same edit make of the whole stream, however it comes."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnetmig.analysis.check.check import check
from vnetmig.analysis.edit import edit
from vnetmig.analysis.profile.from_stream import OfStream, profile_of
from vnetmig.analysis.profile.profile import Profile
from vnetmig.document.device import Device
from vnetmig.document.load import load
from vnetmig.errors import FieldError, StreamError, VnetmigError
from vnetmig.qemu.relay.checking import Checking
from vnetmig.qemu.relay.gate import Gate
from vnetmig.qemu.relay.refusal import Refusal
from vnetmig.qemu.relay.rewriting import Rewriting
from vnetmig.stream.commands import NOTHING, CommandPayload, Ping, PostcopyAdvise
from vnetmig.stream.events import SectionStart
from vnetmig.stream.framing import OPEN_RETURN_PATH, PING, POSTCOPY_ADVISE
from vnetmig.stream.ram_words import Block, BlockList, EndOfSection, encode_words
from vnetmig.stream.writer import StreamWriter

STREAMS = Path(__file__).resolve().parent.parent.parent / "streams"
NAMES = sorted(
    path.parent.name
    for path in STREAMS.glob("*/stream.bin.xz")
    if not path.parent.name.startswith(("mapped", "proxy-postcopy", "npcm", "xlnx"))
)
NETS = [name for name in NAMES if name.startswith(("linux-user", "linux-tap"))]
MAC = "virtio-net:mac=52:54:00:aa:bb:cc"
LONGER = "virtio-net:mac_table.unicast=+02:00:00:00:00:01,+02:00:00:00:00:02"


def stream(name: str) -> bytes:
    return lzma.decompress((STREAMS / name / "stream.bin.xz").read_bytes())


def release(name: str) -> str:
    found = json.loads((STREAMS / name / "truth.json").read_text())["version"]["qemu"]
    return f"{found['major']}.{found['minor']}.{found['micro']}"


def pieces(data: bytes, seed: int) -> Iterable[bytes]:
    chance = random.Random(seed)
    at = 0
    while at < len(data):
        size = chance.choice((1, 5, 100, 4096, 40000, 1 << 18))
        yield data[at : at + size]
        at += size


def through(gate: Gate, coming: Iterable[bytes]) -> bytes:
    """What goes on of a migration that is not refused."""
    out = []
    for piece in coming:
        out += gate.feed(piece, 0)
    return b"".join([*out, *gate.close(0)])


def gate(
    against: Profile | OfStream | None = None,
    sets: Iterable[str] = (),
    *,
    qemu: str = "10.0.2",
    strict: bool = False,
    late: bool = True,
) -> Gate:
    checking = None
    if against is not None:
        checking = Checking(against, qemu=qemu if isinstance(against, OfStream) else None, strict=strict)
    return Gate(checking, Rewriting(sets) if sets else None, late=late)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_its_own_qemu_takes_goes_on_as_it_came(name: str) -> None:
    data = stream(name)
    passing = gate(OfStream(), qemu=release(name))
    assert through(passing, pieces(data, 1)) == data
    assert passing.holding == 0


@settings(max_examples=8)
@given(name=st.sampled_from(NETS), seed=st.integers(0, 1 << 32), sets=st.sampled_from([[MAC], [LONGER], [MAC, LONGER]]))
def test_what_is_set_on_the_way_is_what_an_edit_sets(name: str, seed: int, sets: list[str]) -> None:
    data = stream(name)
    assert through(gate(sets=sets), pieces(data, seed)) == edit(data, sets=sets).data


@settings(max_examples=5)
@given(name=st.sampled_from(NETS), seed=st.integers(0, 1 << 32))
def test_checked_and_set_at_once(name: str, seed: int) -> None:
    data = stream(name)
    assert through(gate(OfStream(), [LONGER], qemu=release(name)), pieces(data, seed)) == edit(data, sets=[LONGER]).data


def elsewhere(profile: Profile) -> Profile:
    """The same machine with its NIC at another address."""
    moved = [
        replace(one, idstr="0000:00:1f.0/virtio-net") if one.kind == "virtio-net" else one for one in profile.devices
    ]
    return replace(profile, devices=tuple(moved))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_refused_does_not_go_on(seed: int) -> None:
    data = stream("linux-user-packed-q72")
    there = elsewhere(profile_of(load(data)))
    refused = check(load(data), there).refusing
    assert refused is not None
    held = gate(there)
    out: list[bytes] = []
    with pytest.raises(Refusal) as raised:
        out.extend(went for piece in pieces(data, seed) for went in held.feed(piece, 0))
    assert refused.message in str(raised.value)
    went = b"".join(out)
    (net,) = load(data).nets()
    assert data.startswith(went) and len(went) < net.section.payload_span[0], "not even its name has gone on as a whole"


def test_a_warning_is_refused_at_the_end_if_that_was_asked_for() -> None:
    data = stream("linux-user-packed-q72")
    there = profile_of(load(data))
    one_more = replace(there.devices[0], idstr="0000:00:1e.0/virtio-net")
    there = replace(there, devices=(*there.devices, one_more))
    assert check(load(data), there).loads
    assert through(gate(there), [data]) == data
    strict = gate(there, strict=True)
    with pytest.raises(Refusal, match=r"no state for '0000:00:1e.0/virtio-net'"):
        through(strict, [data])


def opening(writer: StreamWriter, *commands: tuple[int, CommandPayload]) -> bytes:
    written = writer.header() + writer.configuration("pc-q35-10.0")
    return written + b"".join(writer.command(number, payload) for number, payload in commands)


def ram(writer: StreamWriter, size: int = 1 << 20) -> bytes:
    words = [BlockList(size, (Block("pc.ram", size),)), EndOfSection()]
    return writer.start(2, "ram", 0, 4) + writer.payload(encode_words(words, 4096)) + writer.footer()


def test_a_stream_does_not_say_which_qemu_waits() -> None:
    with pytest.raises(FieldError, match="--qemu"):
        Checking(OfStream())


def test_without_a_return_path_nothing_goes_on() -> None:
    writer = StreamWriter()
    waiting = gate(OfStream(), late=False)
    assert waiting.feed(opening(writer), 0) == []
    with pytest.raises(Refusal, match="no return path"):
        waiting.feed(ram(writer), 0)


def test_with_a_return_path_the_beginning_goes_on_as_a_whole() -> None:
    writer = StreamWriter()
    waiting = gate(OfStream(), late=False)
    begin = opening(writer, (OPEN_RETURN_PATH, NOTHING), (PING, Ping(1)))
    blocks = ram(writer)
    assert waiting.feed(begin + blocks[:-1], 0) == []
    assert b"".join(waiting.feed(blocks[-1:], 0)) == begin + blocks


def test_postcopy_is_refused_before_anything_has_gone_on() -> None:
    writer = StreamWriter()
    data = opening(writer, (POSTCOPY_ADVISE, PostcopyAdvise(4096, 4096)))
    with pytest.raises(Refusal, match="postcopy"):
        gate(OfStream()).feed(data, 0)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(StreamError, match="Not a migration stream"):
        gate(OfStream()).feed(b"\x16\x03\x01\x02\x00\x01\x00\x01", 0)


def test_ram_goes_on_in_the_object_that_it_came_in() -> None:
    writer = StreamWriter()
    passing = gate(OfStream())
    passing.feed(opening(writer) + ram(writer), 0)
    piece = writer.part(2) + bytes(100)  # zero words: no page, but nobody looks before there are 8 bytes
    assert passing.feed(piece[:8], 0) == [piece[:8]]


def test_a_stream_without_a_vmdescription_ends_when_nothing_more_comes() -> None:
    """Behind a section that nothing describes the end mark could be anything, until it is quiet."""
    writer = StreamWriter()
    held = gate(OfStream())
    data = opening(writer) + ram(writer) + writer.end(2)
    data += writer.payload(encode_words([EndOfSection()], 4096)) + writer.footer()
    data += writer.full(5, "timer", 0, 2) + writer.payload(bytes(24)) + writer.footer() + writer.eof()
    went = b"".join(held.feed(data, 0))
    assert held.holding > 1 and data.startswith(went)
    assert went + b"".join(held.idle(1)) == data
    assert held.idle(2) == []


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["virtio-blk:status=1"], "no device 'virtio-blk'"),
        (["virtio-net:nothing=1"], "cannot be changed as asked"),
        (["timer:cpu_ticks_offset=1"], "comes too late for --set"),
        (["virtio-net:mac=nonsense"], "cannot be changed as asked"),
    ],
)
def test_what_cannot_be_set_is_refused(sets: list[str], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        through(gate(sets=sets), [stream("linux-user-packed-q72")])


def test_a_name_that_two_devices_have_is_refused() -> None:
    data = stream("linux-user-packed-q72")
    section = load(data).nets()[0].section
    begin, end = section.payload_span
    rewriting = Rewriting([MAC])
    rewriting.opening = data[: load(data).sections[0].offset]
    footer = data[end : section.span[1]]
    rewriting.section(SectionStart(section.header), data[begin:end], footer)
    other = replace(section.header, idstr="0000:00:1f.0/virtio-net")
    with pytest.raises(Refusal, match=r"'virtio-net' may be: 0000:00:02.0/virtio-net, 0000:00:1f.0/virtio-net"):
        rewriting.section(SectionStart(other), data[begin:end], footer)


def test_callbacks_see_devices_and_change_them() -> None:
    data = stream("linux-user-packed-q72")
    seen: list[str] = []

    def rewrite(device: Device) -> Mapping[str, str] | None:
        return {"mac": "52:54:00:aa:bb:cc"} if device.idstr.endswith("virtio-net") else None

    rewriting = Rewriting(inspect=lambda device: seen.append(device.idstr), rewrite=rewrite)
    assert through(Gate(None, rewriting, late=True), pieces(data, 3)) == edit(data, sets=[MAC]).data
    assert [name for name in seen if name.endswith("virtio-net")] == [load(data).nets()[0].idstr]
    assert ["mac:" in change for change in rewriting.changed] == [True]


def test_an_inspector_refuses_by_raising() -> None:
    class Unwanted(VnetmigError):
        pass

    def inspect(device: Device) -> None:
        raise Unwanted(device.idstr)

    with pytest.raises(Unwanted):
        through(Gate(None, Rewriting(inspect=inspect), late=True), [stream("linux-user-packed-q72")])
