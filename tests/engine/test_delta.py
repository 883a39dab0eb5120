"""Deltas: there and back, the same on both engines for any bytes, and any broken delta refused."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.engine import engines, get
from vnetmig.engine.code import Code, Result

LIMIT = 1 << 20
BLOCK = 4096
Pair = tuple[bytes, bytes]


def made(base: bytes, target: bytes) -> bytes:
    """The delta, once; both engines make it."""
    deltas = {get(name).make_delta(base, target) for name in engines()}
    assert len(deltas) == 1
    return deltas.pop()


def applied(base: bytes, delta: bytes, limit: int = LIMIT) -> tuple[Result, bytes]:
    """What both engines answer."""
    first, *others = (get(name).apply_delta(base, delta, limit) for name in engines())
    assert all(other == first for other in others)
    return first


def scattered(data: bytes, number: int, seed: int) -> bytes:
    """``data`` with another byte in each of ``number`` places."""
    some, output = random.Random(seed), bytearray(data)
    for at in some.sample(range(len(output)), min(number, len(output))):
        output[at] ^= some.randrange(1, 256)
    return bytes(output)


@st.composite
def edited(draw: st.DrawFn) -> Pair:
    """A base, and the same after some edits: single bytes, runs, an insertion, a removal."""
    size = draw(st.one_of(st.integers(0, 130), st.sampled_from([BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 65])))
    base = draw(st.sampled_from([bytes(size), random.Random(size).randbytes(size)]))
    number = draw(st.sampled_from([0, 1, 30, 700, size]))
    target = bytearray(scattered(base, number, draw(st.integers(0, 9))))
    for at, cut, put in draw(
        st.lists(st.tuples(st.integers(0, size), st.integers(0, 90), st.binary(max_size=90)), max_size=4)
    ):
        target[at : at + cut] = put
    return base, bytes(target)


@given(edited())
def test_there_and_back(pair: Pair) -> None:
    base, target = pair
    delta = made(base, target)
    result, output = applied(base, delta)
    assert output == target
    assert result == Result(Code.OK, 0, len(delta), len(target))


@given(edited(), st.integers(1, 40))
def test_bound_to_memory(pair: Pair, missing: int) -> None:
    """The same bytes and nothing behind them; with too little room, how much there should be."""
    base, target = pair
    whole = made(base, target)
    for name in engines():
        output = bytearray(b"\xa5" * (len(whole) + 8))
        assert get(name).bind_delta(base, target, output)() == len(whole)
        assert output == whole + b"\xa5" * 8
        short = bytearray(max(0, len(whole) - missing))
        assert get(name).bind_delta(base, target, short)() == len(whole)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_there_and_back_between_strangers(base: bytes, target: bytes) -> None:
    assert applied(base, made(base, target))[1] == target


@given(edited(), st.data())
def test_every_truncation_fails_at_its_end(pair: Pair, data: st.DataObject) -> None:
    base, target = pair
    delta = made(base, target)
    size = data.draw(st.integers(0, len(delta) - 1))
    result, output = applied(base, delta[:size])
    assert result.code == Code.TRUNCATED and output == b""
    assert result.position <= size and result.got == size - result.position < result.expected


@given(edited(), st.binary(min_size=1, max_size=3))
def test_bytes_behind_a_delta_are_refused(pair: Pair, more: bytes) -> None:
    base, target = pair
    delta = made(base, target)
    result, output = applied(base, delta + more)
    assert (result.code, result.position, output) == (Code.CHECK, len(delta), b"")
    assert (result.expected, result.got) == (len(delta), len(delta) + len(more))


@given(edited(), st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(1, 255)), min_size=1, max_size=3))
def test_engines_agree_on_broken_deltas(pair: Pair, damage: list[tuple[int, int]]) -> None:
    base, target = pair
    delta = bytearray(made(base, target))
    for at, bits in damage:
        delta[at % len(delta)] ^= bits
    result, output = applied(base, bytes(delta))
    assert len(output) == (result.used if result.code == Code.OK else 0) <= LIMIT


@given(st.binary(max_size=300), st.binary(max_size=60), st.integers(0, 300))
def test_engines_agree_on_anything(base: bytes, body: bytes, length: int) -> None:
    number = bytes((length & 0x7F | 0x80, length >> 7))
    for delta in (body, b"\xd1" + body, b"\xd1" + number + b"\0" + body):
        result, output = applied(base, delta, 300)
        assert (result.code == Code.OK) or output == b""


@pytest.mark.parametrize(
    ("delta", "code", "position", "expected", "got"),
    [
        ("", Code.TRUNCATED, 0, 1, 0),
        ("d2 00 00", Code.CHECK, 0, 0xD1, 0xD2),
        ("d1 80", Code.TRUNCATED, 1, 2, 1),
        ("d1 ffffffffffffffffff 01", Code.LIMIT, 1, 1000, (1 << 64) - 1),
        ("d1 ffffffffffffffff7f", Code.LIMIT, 1, 1000, (1 << 63) - 1),
        ("d1 e907 00", Code.LIMIT, 1, 1000, 1001),
        ("d1 64 65", Code.LIMIT, 2, 100, 101),
        ("d1 64 00 03", Code.LIMIT, 3, 2, 3),
        ("d1 64 00 04", Code.LIMIT, 3, 2, 4),
        ("d1 64 00 00 c801", Code.LIMIT, 4, 199, 200),
        ("d1 64 00 00 c601 01 6161", Code.LIMIT, 6, 0, 1),
        ("d1 64 00 00 c701 00 61 00", Code.LIMIT, 8, 0, 1),
        ("d1 64 00 00 00 04 616161", Code.TRUNCATED, 6, 5, 3),
        ("d1 64 00 01 04000000 00000000", Code.LIMIT, 4, 3, 4),
        ("d1 64 00 01 02000000 00000000 00000000 10000000", Code.LIMIT, 12, (1 << 36) - 1, 1 << 36),
        ("d1 64 00 01 02000000 00000000 00000000 0c000000 61", Code.TRUNCATED, 20, 2, 1),
        ("d1 64 00 02 00", Code.CHECK, 4, 4, 5),
    ],
)
def test_hostile_deltas(delta: str, code: Code, position: int, expected: int, got: int) -> None:
    result, output = applied(bytes(100), bytes.fromhex(delta), 1000)
    assert (result.code, result.position, result.expected, result.got) == (code, position, expected, got)
    assert output == b"" and result.used == 0


def test_the_limit_comes_before_memory() -> None:
    delta = bytes.fromhex("d1 8080808080808020 00")  # 16 PiB from ten bytes
    result, _ = applied(b"", delta, 1 << 30)
    assert (result.code, result.expected, result.got) == (Code.LIMIT, 1 << 30, 1 << 54)


@pytest.mark.parametrize(
    ("base", "target", "delta"),
    [
        (b"", b"", "d1 00 00"),
        (b"abc", b"abc", "d1 03 00 02"),
        (bytes(3 * BLOCK), bytes(2 * BLOCK) + b"x" + bytes(BLOCK - 1), "d1 8060 00 04 00 00 78"),
        (bytes(2 * BLOCK), b"x" + bytes(5) + b"y" + bytes(2 * BLOCK - 7), "d1 8040 00 00 01 00 78 0a 00 79 02"),
        (bytes(64), b"x" + bytes(4) + b"y" + bytes(58), "d1 40 00 00 00 05 78 00000000 79"),
        (bytes(64), b"\0abcabc" + bytes(57), "d1 40 00 00 02 05 616263616263"),
        (b"ab" * 20 + b"cd" * 20, b"ab" * 20 + b"xyz" + b"cd" * 20, "d1 53 2b 00 50 02 78797a"),
        (b"ab" * 20 + b"xyz" + b"cd" * 20, b"ab" * 20 + b"cd" * 20, "d1 50 28 02"),
        (b"", bytes(64), "d1 40 40 02"),
    ],
)
def test_what_a_delta_looks_like(base: bytes, target: bytes, delta: str) -> None:
    assert made(base, target).hex() == bytes.fromhex(delta).hex()
    assert applied(base, bytes.fromhex(delta))[1] == target


def test_lines_where_runs_would_cost_more() -> None:
    target = bytes(i % 8 == 3 for i in range(BLOCK))
    mask = bytes([1 << 3]) * 8
    assert made(bytes(BLOCK), target) == bytes.fromhex("d1 8020 00 01") + b"\xff" * 8 + mask * 64 + b"\1" * 512


@pytest.mark.parametrize(("number", "most"), [(10, 6.5), (328, 3.7), (3277, 2.3)])
def test_sizes_of_scattered_changes(number: int, most: float) -> None:
    base = random.Random(1).randbytes(1 << 15)
    assert len(made(base, scattered(base, number, 2))) <= most * number


@pytest.mark.parametrize("put_in", [True, False])
def test_an_insertion_or_removal_costs_itself(put_in: bool) -> None:
    some = random.Random(3)
    short, piece = some.randbytes(46000), some.randbytes(150)
    long = scattered(short[:20001] + piece + short[20001:], 8, 4)
    base, target = (short, long) if put_in else (long, short)
    assert len(made(base, target)) <= 8 * 6 + 20 + (len(piece) if put_in else 0)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(engine: str, kind: type) -> None:
    base, target = b"before" * 9, b"after!" * 9
    delta = get(engine).make_delta(kind(base), kind(target))
    assert type(delta) is bytes
    assert get(engine).apply_delta(kind(base), kind(delta), 54)[1] == target


def test_the_memory_of_a_large_delta_is_not_kept(engine: str) -> None:
    target = bytes([1, 2, 3, 4, 5, 6, 7, 8]) * (5 << 17)
    delta = get(engine).make_delta(b"", target)
    answer, data = get(engine).apply_delta(b"", delta, len(target))
    assert (answer.code, data) == (Code.OK, target)
    assert get(engine).apply_delta(b"base", get(engine).make_delta(b"base", b"bass"), LIMIT)[1] == b"bass"
