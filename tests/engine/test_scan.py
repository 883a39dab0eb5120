"""Stepping over pages: where and why it stops, the same on both engines, whatever the bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vnetmig.engine import engines, get

SMALL = 64
"""The smallest page: more words in fewer bytes."""

words = st.tuples(st.integers(0, 5), st.sampled_from([0x22, 0x28, 0x22, 0x28, 0x08, 0x10])).map(
    lambda word: (word[0] * SMALL | word[1]).to_bytes(8, "big") + bytes(1 if word[1] == 0x22 else SMALL)
)
payloads = st.one_of(
    st.lists(words, max_size=12).map(b"".join),
    st.lists(st.one_of(words, st.binary(max_size=20)), max_size=12).map(b"".join),
    st.binary(max_size=200),
)


def test_it_says_where_and_why_it_stopped(engine: str) -> None:
    scan = get(engine).scan_ram
    zero = bytes.fromhex("0000000000001022 00")
    page = bytes.fromhex("0000000000002028") + b"\xff" * 4096
    data = zero + page + zero
    size = len(data)
    assert scan(data, 0, 9, 4096, 0xF000) == (size, 3, size + 8)  # all taken: the next word is missing
    assert scan(data, 0, 2, 4096, 0xF000) == (9 + 4104, 2, 0)  # the limit
    assert scan(data, 0, 0, 4096, 0xF000) == (0, 0, 0)
    assert scan(data, 0, 9, 4096, 0x1000) == (9, 1, 0)  # a page above the highest
    assert scan(data, 0, 9, 4096, -1) == (0, 0, 0)  # none is legal
    assert scan(data + bytes(8), 0, 9, 4096, 0xF000) == (size, 3, 0)  # a word for others
    assert scan(data[:-1], 0, 9, 4096, 0xF000) == (9 + 4104, 2, size)  # inside a word
    assert scan(data[:100], 0, 9, 4096, 0xF000) == (9, 1, 9 + 4104)
    assert scan(data, 9, 9, 4096, 0xF000) == (size, 2, size + 8)
    assert scan(memoryview(data)[9:], 0, 9, 4096, 0xF000) == (size - 9, 2, size - 1)


@given(
    data=payloads,
    start=st.integers(0, 30),
    limit=st.one_of(st.integers(0, 12), st.just(1 << 62)),
    page_size=st.sampled_from([SMALL, 1024, 4096, 1 << 24]),
    highest=st.one_of(st.integers(-2, 8).map(lambda page: page * SMALL), st.just(1 << 62), st.just(-(1 << 32))),
)
def test_both_engines_stop_alike(data: bytes, start: int, limit: int, page_size: int, highest: int) -> None:
    position = min(start, len(data))
    first, *others = [get(name).scan_ram(data, position, limit, page_size, highest) for name in engines()]
    assert all(other == first for other in others)
