"""XBZRLE deltas: there and back, and broken ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.xbzrle import xbzrle_apply, xbzrle_encode

PAGE = bytes(range(256)) * 16


def sparse_pages() -> st.SearchStrategy[tuple[bytes, bytes]]:
    def change(old: bytes, edits: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
        new = bytearray(old)
        for at, data in edits:
            new[at : at + len(data)] = data[: len(new) - at]
        return old, bytes(new)

    edits = st.lists(st.tuples(st.integers(0, 4095), st.binary(min_size=1, max_size=200)), max_size=12)
    return st.builds(change, st.sampled_from([bytes(4096), PAGE, b"\xff" * 4096]), edits)


@given(sparse_pages())
def test_a_delta_makes_the_page_again(pages: tuple[bytes, bytes]) -> None:
    old, new = pages
    delta = xbzrle_encode(old, new)
    assert xbzrle_apply(old, delta) == new
    assert (delta == b"") is (old == new)


@given(st.binary(max_size=64), st.integers(0, 64))
def test_any_delta_gives_a_page_or_a_stream_error(data: bytes, size: int) -> None:
    try:
        assert len(xbzrle_apply(bytes(size), data)) == size
    except StreamError as error:
        assert "decode error!" in error.message and 0 <= error.offset <= len(data)  # noqa: PT017


@pytest.mark.parametrize(
    "delta",
    [
        "05",
        "00",
        "0000",
        "0002 61",
        "08 01 61",
        "09 01 61",
        "00 09 616161616161616161",
        "80",
        "8080 01",
        "00 01 61 00 01 61",
    ],
)
def test_a_broken_delta_is_refused(delta: str) -> None:
    with pytest.raises(StreamError, match="decode error"):
        xbzrle_apply(bytes(8), bytes.fromhex(delta))


def test_a_delta_is_between_pages_of_one_size() -> None:
    with pytest.raises(EncodeError):
        xbzrle_encode(bytes(8), bytes(9))
    with pytest.raises(EncodeError):
        xbzrle_encode(bytes(1 << 14), bytes(1 << 14))
