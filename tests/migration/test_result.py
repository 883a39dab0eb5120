from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import EncodeError, StreamError
from vnetmig.migration.comparison import Sent, compare
from vnetmig.migration.result import DATA_MAX, NEED_DATA, SECTIONS_MAX, AnswerReader, Result, SectionResult
from vnetmig.stream.return_path import Pong, Shut

RESULT = Result(
    "python",
    1234,
    "ab" * 32,
    None,
    (
        SectionResult("timer", 0, 0, 2, "vmdescription", 10, 20, data=b"timer"),
        SectionResult("0000:00:03.0/virtio-net", 0, 41, 11, "virtio", 30, 40, False, ("VQ 0 ...",), b"net\0"),
        SectionResult("empty", 1, 42, 1, "nothing", 0, 0, True),
    ),
    (("dst-precopy-loadvm-completed", 5),),
    ("vmstate_downtime_checkpoint dst-precopy-loadvm-completed",),
)


def answers(data: bytes, step: int) -> list[object]:
    reader = AnswerReader()
    found: list[object] = []
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        while (answer := reader.next_answer()) is not NEED_DATA:
            found.append(answer)
    reader.close()
    while (answer := reader.next_answer()) is not None:
        found.append(answer)
    return found


@pytest.mark.parametrize("step", [1, 5, 1 << 16])
def test_between_the_messages_of_a_return_path(step: int) -> None:
    data = Pong(1).encode() + RESULT.encode() + Shut(0).encode()
    pong, result, shut = answers(data, step)
    assert isinstance(pong, Pong) and isinstance(shut, Shut)
    assert result == RESULT


def checked(header: bytes, data: bytes = b"") -> bytes:
    """A result of these parts, and a checksum that fits."""
    sizes = len(header).to_bytes(4, "big") + len(data).to_bytes(8, "big")
    return RESULT.encode()[:8] + sizes + hashlib.sha256(header + data).digest() + header + data


def replaced(old: bytes, new: bytes) -> bytes:
    """RESULT with other text in its header."""
    data = RESULT.encode()
    size = int.from_bytes(data[8:12], "big")
    header = data[52 : 52 + size].replace(old, new)
    assert header != data[52 : 52 + size]
    return checked(header, data[52 + size :])


def test_every_truncated_length_fails() -> None:
    data = RESULT.encode()
    for cut in range(1, len(data)):
        with pytest.raises(StreamError):
            answers(data[:cut], 1 << 16)


@pytest.mark.parametrize(
    "data",
    [
        b"VNMR" + (2).to_bytes(4, "big") + bytes(44),
        b"VNMR" + (1).to_bytes(4, "big") + b"\xff" * 4 + bytes(40),
        b"VNMR" + (1).to_bytes(4, "big") + bytes(4) + (DATA_MAX + 1).to_bytes(8, "big") + bytes(32),
        b"VNMX" + bytes(48),
        checked(b"{"),
        checked(b"[" * 100_000),
        checked(b"[]"),
        replaced(b'"sections": [', b'"sections": {}, "": ['),
        replaced(b'"sections": [{', b'"sections": [1, {'),
        replaced(b'["dst-precopy-loadvm-completed", 5]', b'["dst-precopy-loadvm-completed", 5, 6]'),
        replaced(b'"data": 5', b'"data": 4'),
        replaced(b'"data": 5', b'"data": 6'),
        replaced(b'"data": 5', b'"data":-5'),
        replaced(b'"load_ns": 10', b'"load_ns": []'),
        replaced(b'"idstr": "timer"', b'"idstr": 1234567'),
    ],
)
def test_a_hostile_result_is_refused(data: bytes) -> None:
    with pytest.raises(StreamError):
        answers(data, 1 << 16)


@given(st.integers(0, len(RESULT.encode()) - 1), st.integers(1, 255))
def test_a_damaged_result_is_refused(at: int, change: int) -> None:
    data = bytearray(RESULT.encode())
    data[at] ^= change
    with pytest.raises(StreamError):
        answers(bytes(data), 1 << 16)


def sent(data: bytes, **changed: object) -> Sent:
    values = {"idstr": "timer", "instance_id": 0, "section_id": 0, "version_id": 2, "data": data, "save_ns": 1}
    return Sent(**{**values, **changed})  # type: ignore[arg-type]


def result(*data: bytes, digest: str = "d") -> Result:
    sections = tuple(SectionResult("timer", 0, 0, 2, "nothing", 0, 0, data=part) for part in data)
    return Result(digest=digest, sections=sections)


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ([sent(b"abc")], result(b"abc"), []),
        ([sent(b"abc")], result(b"axc"), ["timer: byte 0x1 of 3 is 0x78, sent was 0x62"]),
        ([sent(b"abc")], result(b"ab"), ["timer: 3 bytes sent, 2 saved again"]),
        ([sent(b"abc")], result(), ["timer: the destination does not have it"]),
        ([], result(b"abc"), ["timer: the source never sent it"]),
        ([sent(b"abc")], result(b"abc", digest="e"), ["stream: other bytes arrived than were sent; no device differs"]),
        ([sent(b"a"), sent(b"b")], result(b"x", b"y"), ["timer: byte 0x0", "timer: byte 0x0"]),
        ([sent(b"a", instance_id=1)], result(b"a"), ["timer#1: sent as"]),
    ],
)
def test_every_difference_is_named(ours: list[Sent], theirs: Result, words: list[str]) -> None:
    found = [str(difference) for difference in compare(ours, "d", theirs)]
    assert len(found) == len(words)
    assert all(text.startswith(start) for text, start in zip(found, words, strict=True))


def test_a_result_that_a_source_would_not_take_is_not_sent() -> None:
    with pytest.raises(EncodeError, match="is more than a source accepts"):
        replace(RESULT, trace=("",) * (SECTIONS_MAX + 1)).encode()
