"""The return path: messages both ways, QEMU's refusals, and what real destinations sent."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.stream.framing import Limits
from vnetmig.stream.return_path import (
    NEED_DATA,
    Message,
    Pong,
    ReceivedBitmap,
    RequestPages,
    ResumeAck,
    ReturnPathReader,
    Shut,
    SwitchoverAck,
)

CASES: list[tuple[Message, str]] = [
    (SwitchoverAck(0, 4), "0007 0000"),
    (Pong(1, 4, 8), "0002 0004 0000 0001"),
    (RequestPages(0x1000, 0x2000, "pc.ram", 12, 23), "0003 0013 0000000000001000 00002000 06 70632e72616d"),
    (RequestPages(0x3000, 0x1000, None, 35, 16), "0004 000c 0000000000003000 00001000"),
    (
        ReceivedBitmap("ram", b"\1\0\0\0\0\0\0\x80", 51, 32),
        "0005 0004 03 72616d 0000000000000008 0100000000000080 0123456789abcdef",
    ),
    (ResumeAck(1, 83, 8), "0006 0004 0000 0001"),
    (Shut(0, 91, 8), "0001 0004 0000 0000"),
]
STREAM = bytes.fromhex("".join(text for _, text in CASES))


def read(pieces: list[bytes], limits: Limits = Limits()) -> list[Message]:  # noqa: B008
    reader = ReturnPathReader(limits)
    found = []
    for piece in [*pieces, None]:
        if piece is None:
            reader.close()
        else:
            reader.feed(piece)
        while (message := reader.next_message()) is not NEED_DATA and message is not None:
            found.append(message)
    assert reader.next_message() is None
    return found


def test_every_message_both_ways() -> None:
    for message, text in CASES:
        assert message.encode() == bytes.fromhex(text)
        assert message.size == len(bytes.fromhex(text))
    assert read([STREAM]) == [message for message, _ in CASES]
    assert read([STREAM[at : at + 1] for at in range(len(STREAM))]) == [message for message, _ in CASES]
    assert read([]) == []


def test_cut_short() -> None:
    whole = {message.offset for message, _ in CASES}
    for length in range(1, len(STREAM)):
        if length in whole:
            continue
        with pytest.raises(StreamError) as caught:
            read([STREAM[:length]])
        assert caught.value.code == "truncated"


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("0000 0000", "Received invalid message 0x0000 length 0x0000", 0),
        ("0008 0002", "Received invalid message 0x0008 length 0x0002", 0),
        ("0002 0003", "Received 'PONG' message (0x0002) with incorrect length 3 expecting 4", 0),
        ("0003 000c", "Received 'REQ_PAGES_ID' message (0x0003) with incorrect length 12 expecting 13", 0),
        ("0003 000e 0000000000000000 00000000 02 61", "Received 'REQ_PAGES_ID' message (0x0003) with inc", 0),
        ("0003 ffff", "Received 'REQ_PAGES_ID' message (0x0003) with incorrect length 65535", 0),
        ("0005 0002 0161 ffffffffffffffff", "ramblock 'a' bitmap size mismatch 0xffffffffffffffff", 6),
        ("0005 0002 0161 0000000000000000 0000000000000001", "ramblock 'a' end mark incorrect: 0x1", 14),
        ("0005 0002 0107", "block name is not a name", 5),
    ],
)
def test_refusals(text: str, message: str, offset: int) -> None:
    with pytest.raises(StreamError) as caught:
        read([bytes.fromhex(text)])
    assert str(caught.value).startswith(message)
    assert caught.value.offset == offset


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_any_flip_is_read_or_refused(at: int, change: int) -> None:
    data = bytearray(STREAM)
    data[at] ^= change
    try:
        messages = read([bytes(data)], Limits(bitmap=1 << 16))
    except StreamError:
        return
    assert b"".join(message.encode() for message in messages) == data


STREAMS = Path(os.environ.get("VNETMIG_STREAMS", "/nonexistent"))


@pytest.mark.skipif(not STREAMS.is_dir(), reason="VNETMIG_STREAMS does not name a folder of captured streams")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("proxy-postcopy-fw-q111", [Pong(1), Pong(2), Pong(4), Pong(3), Pong(0x42), Shut(0)]),
        ("proxy-returnpath-fw-q100", [Pong(1), Shut(0)]),
    ],
)
def test_what_real_destinations_sent(name: str, expected: list[Message]) -> None:
    data = (STREAMS / name / "return-path.bin").read_bytes()
    messages = read([data])
    assert [replace(message, offset=0) for message in messages] == expected
    assert b"".join(message.encode() for message in messages) == data
