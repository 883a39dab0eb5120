"""Real migrations, looked on at: the account is that of the whole stream, however its bytes come by."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnetmig.document.load import load
from vnetmig.errors import EncodeError
from vnetmig.migration.account import DEVICES_MAX, ROUNDS_MAX, Account, Phase
from vnetmig.migration.watcher import LIMITS, Watcher
from vnetmig.stream.commands import Ping
from vnetmig.stream.events import Event, SectionPayload
from vnetmig.stream.framing import PING
from vnetmig.stream.passed import Passed, RamPassed
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import Block, BlockList, EndOfSection, Page, Zero, encode_words
from vnetmig.stream.return_path import Pong, RequestPages, ResumeAck, Shut, SwitchoverAck
from vnetmig.stream.writer import StreamWriter

STREAMS = Path(__file__).resolve().parent.parent / "streams"
SMALL_PAGES = {"npcm750-qbpo", "xlnx-versal-gtree-q111"}
"""Machines whose target pages are of 1 KiB, which their streams do not say before the vmdescription."""
NAMES = sorted(
    path.parent.name for path in STREAMS.glob("*/stream.bin.xz") if not path.parent.name.startswith("mapped")
)


def capture(folder: Path) -> bytes:
    plain = folder / "stream.bin"
    return plain.read_bytes() if plain.exists() else lzma.decompress(plain.with_suffix(".bin.xz").read_bytes())


def page_size(name: str) -> int | None:
    return 1024 if name in SMALL_PAGES else None


def watched(pieces: Iterable[bytes], page_size: int | None = None) -> Account:
    """The account when piece n came at time n."""
    watcher = Watcher(page_size=page_size)
    now = 0
    for now, piece in enumerate(pieces):
        watcher.feed(piece, now)
    watcher.close(now + 1)
    return watcher.account


def cut(data: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    at = 0
    for size in sizes:
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size
    yield data[at:]


def timeless(account: Account) -> str:
    """All of the account but when the bytes came."""
    account.began = account.ended = None
    account.peer.opened = None if account.peer.opened is None else 0
    account.phases = [(phase, 0, offset) for phase, _, offset in account.phases]
    for one in account.rounds:
        one.began = one.ended = 0
    for device in account.devices:
        device.began, device.ended = 0, None if device.ended is None else 0
    return repr(account)


@pytest.mark.parametrize("name", NAMES)
def test_the_account_is_that_of_the_loaded_stream(name: str) -> None:
    data = capture(STREAMS / name)
    stream, account = load(data), watched([data], page_size(name))
    assert account.fault is None
    assert (account.size, account.machine, account.complete) == (len(data), stream.machine, True)
    others = [section for section in stream.sections if section.idstr != "ram"]
    assert [(d.idstr, d.instance_id, d.offset, d.kind.lower()) for d in account.devices] == [
        (section.idstr, section.instance_id, section.offset, section.type) for section in others
    ]
    ends = [section.footer.offset + section.footer.size for section in others if section.footer is not None]
    if ends:
        assert [d.offset + d.size for d in account.devices] == ends
    words = [word for event in stream.events if isinstance(event, SectionPayload) for word in ram_words(event)]
    assert account.pages == sum(isinstance(word, Page) for word in words)
    assert account.zero_pages == sum(isinstance(word, Zero) for word in words)
    ram = [section for section in stream.sections if section.idstr == "ram"]
    assert [one.kind.lower() for one in account.rounds] == [section.type for section in ram]
    assert {device.early for device in account.devices if device.kind == "FULL"} <= {name == "virtio-mem-q111", False}


def ram_words(event: SectionPayload) -> Iterable[object]:
    return event.payload.words() if isinstance(event.payload, RamWords) else ()


@settings(max_examples=10)
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 1 << 32))
def test_any_pieces_give_the_same_account(name: str, seed: int) -> None:
    data = capture(STREAMS / name)
    chance = random.Random(seed)
    sizes = (chance.choice((1, 2, 7, 8, 9, 100, 4096, 4104, 50000, 1 << 18)) for _ in iter(int, 1))
    assert timeless(watched(cut(data, sizes), page_size(name))) == timeless(watched([data], page_size(name)))


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 32))
def test_a_cut_or_damaged_stream_is_lost_at_the_same_place(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(capture(STREAMS / "proxy-postcopy-fw-q111"))
    del data[chance.randrange(len(data)) :]
    for _ in range(chance.randrange(3)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    whole = timeless(watched([bytes(data)]))
    sizes = (chance.choice((1, 9, 4096, 4104, 50000)) for _ in iter(int, 1))
    assert timeless(watched(cut(bytes(data), sizes))) == whole


def test_every_real_capture(captures: list[Path]) -> None:
    for folder in captures:
        data = capture(folder)
        if data[:4] != b"QEVM" or folder.name.startswith("mapped"):
            continue
        account = watched(cut(data, iter(lambda: 1 << 18, 0)), page_size(folder.name))
        assert (account.fault, account.complete) == (None, True), folder.name
        truth = json.loads((folder / "truth.json").read_text())
        if not folder.name.startswith("proxy-postcopy"):
            assert Phase.POSTCOPY not in [phase for phase, *_ in account.phases], truth.get("note")


def written(rounds: int, pages: int = 3, devices: int = 1) -> Iterable[bytes]:
    """A stream without anything that anybody would have to know."""
    writer = StreamWriter()
    yield writer.header() + writer.configuration("pc-q35-10.0")
    yield writer.command(PING, Ping(1))
    words = [BlockList(1 << 30, (Block("pc.ram", 1 << 30),)), EndOfSection()]
    yield writer.start(2, "ram", 0, 4) + writer.payload(encode_words(words, 4096)) + writer.footer()
    content = [Page("pc.ram", 4096 * n, bytes([n]) * 4096, n == 0) for n in range(pages)]
    body = encode_words([*content, EndOfSection()], 4096)
    for _ in range(rounds):
        yield writer.part(2) + writer.payload(body) + writer.footer()
    yield writer.end(2) + writer.payload(encode_words([EndOfSection()], 4096)) + writer.footer()
    for number in range(devices):
        yield (
            writer.full(5, "thing", number, 1) + writer.payload(b"\x7e\x00\x00\x00\x05 is no end" * 9) + writer.footer()
        )
    yield writer.eof()


def test_memory_does_not_grow_with_the_guest() -> None:
    """Rounds are put together, devices counted together, and no page is ever held."""
    rounds = 5 * ROUNDS_MAX
    largest = 0
    watcher = Watcher()
    for piece in written(rounds, devices=DEVICES_MAX + 10):
        watcher.feed(piece, 0)
        largest = max(largest, watcher.account.size - watcher.offset)
    watcher.close(0)
    account = watcher.account
    assert account.fault is None
    assert len(account.rounds) <= ROUNDS_MAX and account.iterations == rounds and account.pages == 3 * rounds
    assert [account.rounds[0].kind, account.rounds[-1].kind] == ["START", "END"]
    assert len(account.devices) == DEVICES_MAX and account.devices[-1].sections == 11
    assert largest < 64


def test_a_page_is_not_held_while_it_comes() -> None:
    """The rest of a page is owed, whatever piece it comes in."""
    watcher = Watcher()
    held = 0
    for piece in cut(b"".join(written(4, pages=100)), iter(lambda: 1000, 0)):
        watcher.feed(piece, 0)
        held = max(held, watcher.account.size - watcher.offset)
    assert watcher.account.pages == 400
    assert held < 4200, "a page that names its block is read whole, others not"


def test_phases_and_times() -> None:
    account = watched(written(2))
    assert [(phase, when) for phase, when, _ in account.phases] == [
        (Phase.SETUP, 0),
        (Phase.ROUNDS, 3),
        (Phase.SWITCHOVER, 5),
        (Phase.DEVICES, 6),
        (Phase.ENDING, 8),
    ]
    assert account.commands == {"PING": 1}
    assert (account.ram_size, account.ram_blocks) == (1 << 30, 1)
    (device,) = account.devices
    assert (device.name, device.began, device.early) == ("thing", 6, False)
    assert device.ended == 8, "only what follows proves that a footer in bytes that nobody describes is one"
    assert account.reached(Phase.POSTCOPY) is None


def test_what_the_destination_says() -> None:
    said = [SwitchoverAck(), Pong(1), Pong(2), RequestPages(0, 4096, "pc.ram"), RequestPages(4096, 4096), Shut(1)]
    watcher = Watcher()
    for now, byte in enumerate(b"".join(message.encode() for message in said)):
        watcher.feed_back(bytes([byte]), now)
    peer = watcher.account.peer
    assert (peer.pongs, peer.page_requests, peer.shut, peer.switchover_ack) == (2, 2, 1, 3)
    assert peer.shut_at == peer.size - 1 and peer.fault is None
    watcher.feed_back(b"\xff\xff\0\0", 99)
    watcher.feed_back(b"anything", 100)
    assert peer.fault is not None and "Received invalid message" in str(peer.fault)


def test_what_cannot_be_read_is_counted_on() -> None:
    account = watched([b"\x16\x03\x01\x02\x00\x01", bytes(1000)])
    assert account.fault is not None and account.size == 1006 and account.phase is Phase.NOTHING


def test_a_described_device_that_never_ends_is_not_held_for_ever() -> None:
    writer = StreamWriter()
    watcher = Watcher()
    watcher.feed(writer.header() + writer.configuration("pc-q35-10.0") + writer.full(5, "x/virtio-net", 0, 11), 0)
    piece = b"\0" * (1 << 20)
    for _ in range(3 * LIMITS.payload // len(piece)):
        watcher.feed(piece, 0)
    assert watcher.account.fault is not None


def test_sections_can_be_had_whole() -> None:
    """For those who need a device's bytes: only RAM and iterable sections are passed over then."""
    seen: list[Event] = []
    watcher = Watcher(seen=seen.append, passing=False)
    for piece in written(1):
        watcher.feed(piece, 0)
    watcher.close(0)
    payloads = [event.payload for event in seen if isinstance(event, SectionPayload)]
    assert payloads[-1].encode().startswith(b"\x7e\x00\x00\x00\x05 is") and isinstance(payloads[0], RamPassed)


@pytest.mark.parametrize("passed", [Passed(3), RamPassed(1)])
def test_what_was_passed_over_cannot_be_written(passed: Passed | RamPassed) -> None:
    with pytest.raises(EncodeError):
        passed.encode()


def test_sections_without_footers() -> None:
    """As machines have them that are older than the configuration section."""
    writer = StreamWriter(footers=False)
    end = encode_words([EndOfSection()], 4096)
    account = watched(
        [
            writer.header(),
            writer.start(2, "ram", 0, 4) + writer.payload(end) + writer.footer(),
            writer.end(2) + writer.payload(end) + writer.footer(),
            writer.eof(),
            bytes(600),
        ]
    )
    assert account.fault is None
    assert [(found.kind, found.ended) for found in account.rounds] == [("START", 1), ("END", 2)]


def test_a_file_cannot_be_relayed() -> None:
    account = watched([capture(STREAMS / "mapped-ram-fw-q111")])
    assert account.fault is not None and "mapped-ram takes a file" in str(account.fault)


def test_messages_of_a_broken_postcopy_are_passed_over() -> None:
    watcher = Watcher()
    watcher.feed_back(ResumeAck().encode() + Pong(1).encode(), 5)
    assert watcher.account.peer.pongs == 1 and watcher.account.peer.fault is None
