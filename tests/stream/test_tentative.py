"""Frames around a state: as bytes, every truncation, hostile lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.stream import framing, tentative
from vnetmig.stream.payload import Decoded
from vnetmig.stream.tentative import (
    DELTA,
    FLAG_NAMES,
    FRAME_MAX,
    FULL_STATE,
    NO_STATE,
    ON_BASE,
    PACKED_STATE,
    RESYNC,
    WHOLE,
    Frame,
    FrameDecoder,
)

A, B = bytes(range(16)), bytes(range(16, 32))
IDENTITIES = "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f"

#                  frame                                 flag               base, identity       length, data
FRAMES = {
    "FULL_STATE": (Frame(FULL_STATE, b"abc"), f"ff ff ff ff ef 76 00 00 {''} 00 00 00 03 61 62 63"),
    "PACKED_STATE": (Frame(PACKED_STATE, b"a"), f"ff ff ff ff ef 76 00 01 {''} 00 00 00 01 61"),
    "DELTA": (Frame(DELTA, b"ab", A, B), f"ff ff ff ff ef 76 00 02 {IDENTITIES} 00 00 00 02 61 62"),
    "an empty DELTA": (Frame(DELTA, b"", A, B), f"ff ff ff ff ef 76 00 02 {IDENTITIES} 00 00 00 00"),
    "RESYNC": (Frame(RESYNC, b"a", A, B), f"ff ff ff ff ef 76 00 03 {IDENTITIES} 00 00 00 01 61"),
    "NO_STATE": (Frame(NO_STATE), "ff ff ff ff ef 76 00 04"),
}


def decoded(data: bytes, final: bool = True) -> Decoded | None:
    decoder = FrameDecoder()
    return decoder.decode(memoryview(data), len(data).__eq__, kind=framing.SECTION_FULL, offset=0, final=final)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_these_bytes(name: str) -> None:
    frame, text = FRAMES[name]
    data = bytes.fromhex(text)
    assert frame.encode() == data
    assert decoded(data) == Decoded(len(data), frame)
    assert decoded(data + b"what follows", final=False) == Decoded(len(data), frame)


@pytest.mark.parametrize("name", FRAMES)
def test_a_truncated_frame_waits_or_is_an_error(name: str) -> None:
    data = FRAMES[name][0].encode()
    for cut in range(len(data)):
        decoder = FrameDecoder()
        piece = memoryview(data[:cut])
        assert decoder.decode(piece, len(data).__eq__, kind=framing.SECTION_FULL, offset=0, final=False) is None
        assert cut < decoder.wanted <= len(data)
        with pytest.raises(StreamError, match="the section ends inside a frame") as caught:
            decoded(data[:cut])
        assert caught.value.code == "truncated"


def test_a_frame_in_pieces_is_asked_for_in_few_steps() -> None:
    data, decoder, have = Frame(DELTA, bytes(1000), A, B).encode(), FrameDecoder(), 0
    for step in (8, 44, 1044):
        assert decoder.wanted == step
        have = decoder.wanted
        decoder.decode(memoryview(data[:have]), bool, kind=framing.SECTION_FULL, offset=0, final=False)
    assert have == len(data)


@pytest.mark.parametrize("flag", [0, NO_STATE + 1, FULL_STATE - 1, 0xFFFFFFFFEF200000, 0xFFFFFFFFEF100001])
def test_an_unknown_flag(flag: int) -> None:
    with pytest.raises(StreamError, match=f"virtio_net_load_state: Uknown flag {flag:#x}"):
        decoded(flag.to_bytes(8, "big") + bytes(100))


@pytest.mark.parametrize("flag", sorted({FULL_STATE, PACKED_STATE, DELTA, RESYNC}))
@pytest.mark.parametrize("length", [FRAME_MAX + 1, 0xFFFFFFFF])
def test_a_hostile_length_is_refused_before_anything_comes(flag: int, length: int) -> None:
    head = flag.to_bytes(8, "big") + (A + B if flag in ON_BASE else b"") + length.to_bytes(4, "big")
    with pytest.raises(StreamError, match="a frame is longer than any device state") as caught:
        decoded(head, final=False)
    assert caught.value.code == "limit"


def test_the_flags_are_a_family_of_their_own() -> None:
    """They begin as the RFC's and VFIO's do, and are none of them; no subsection begins with 0xff."""
    assert len(FLAG_NAMES) == 5 and {WHOLE | ON_BASE | {NO_STATE}} == {frozenset(FLAG_NAMES)}
    assert all(0xFFFFFFFFEF760000 <= flag <= 0xFFFFFFFFEF76FFFF for flag in FLAG_NAMES)
    assert tentative.IDENTITY_BYTES == 16


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_a_frame_or_an_error(data: bytes, final: bool) -> None:
    for flag in (b"", *(known.to_bytes(8, "big") for known in FLAG_NAMES)):
        whole = flag + data
        try:
            found = decoded(whole, final)
        except StreamError:
            continue
        if found is not None:
            assert found.size <= len(whole)
            assert isinstance(found.payload, Frame) and found.payload.encode() == whole[: found.size]
