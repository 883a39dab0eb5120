"""The byte-order copy: any runs, any number of passes, on both engines, against bytes turned one integer at a time."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.engine import engines, get
from vnetmig.engine.code import LITTLE, Code, Flat, Insn, Op, OpRow

Runs = tuple[tuple[int, int], ...]

runs = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 4, 8, 1 | LITTLE, 2 | LITTLE, 4 | LITTLE, 8 | LITTLE]),
        st.one_of(st.integers(0, 9), st.sampled_from([16, 31, 64, 300])),
    ),
    max_size=12,
).map(tuple)
passes = st.one_of(st.integers(0, 20), st.sampled_from([64, 255]))


def turned(which: Runs, times: int, data: bytes) -> bytes:
    output = bytearray()
    for kind, count in which * times:
        width = kind & ~LITTLE
        native = "little" if kind & LITTLE else "big"
        for _ in range(count):
            piece = data[len(output) : len(output) + width]
            output += piece if native == sys.byteorder else piece[::-1]
    return bytes(output)


def size_of(which: Runs) -> int:
    return sum((kind & ~LITTLE) * count for kind, count in which)


def span(which: Runs, times: int) -> Flat:
    size = size_of(which)
    ops = (OpRow(Op.SPAN, expr=times, b=len(which), c=size), OpRow(Op.END))
    return Flat(ops, which, (), (), (), b"", size * times)


def counted(which: Runs, times: int) -> Flat:
    ops = (OpRow(Op.VSPAN, flags=1000, b=len(which), c=size_of(which)), OpRow(Op.END))
    return Flat(ops, which, ((Insn.CONST, 0, 0, 0), (Insn.END, 0, 0, 0)), (times,), (), b"", 8)


def some_bytes(size: int) -> bytes:
    return bytes((i * 37 + i // 256) & 0xFF for i in range(size))


@pytest.mark.parametrize("flat_of", [span, counted])
@given(which=runs, times=passes)
def test_every_copy(which: Runs, times: int, flat_of: object) -> None:
    flat = flat_of(which, times)  # type: ignore[operator]
    size = size_of(which) * times
    data = some_bytes(size)
    for name in engines():
        engine = get(name)
        record = bytearray(b"\xa5") * (flat.record_bytes + size + 40)
        loaded = engine.load(flat, data + b"behind", record)
        assert (loaded.code, loaded.position) == (Code.OK, size)
        values = flat.record_bytes if flat_of is counted else 0
        if size:
            assert record[values : values + size] == turned(which, times, data), name
        assert set(record[loaded.used :]) == {0xA5}, "a byte behind the record was written"
        saved, again = engine.save(flat, record[: loaded.used])
        assert (saved.code, again) == (Code.OK, data), name


@given(which=runs, times=st.integers(0, 20), beyond=st.integers(0, 40))
def test_saving_into_a_buffer(which: Runs, times: int, beyond: int) -> None:
    flat, size = span(which, times), size_of(which) * times
    record = bytearray(some_bytes(size))
    wanted = turned(which, times, bytes(record))
    for name in engines():
        engine = get(name)
        output = bytearray(b"\xa5") * (size + beyond)
        assert engine.save_into(flat, record, output).used == size
        assert output == wanted + b"\xa5" * beyond
        output = bytearray(size + beyond)
        run, argument, _keep = engine.bind_save(flat, record, output)
        assert run(argument) == size and output == wanted + bytes(beyond)
        run, argument, _keep = engine.bind_load(flat, bytes(output), record)
        assert run(argument) == size and record == turned(which, times, wanted)


@pytest.mark.parametrize("missing", [1, 15, 16, 17, 68])
def test_too_small_a_buffer(engine: str, missing: int) -> None:
    flat = span(((4, 3), (8, 3), (2, 4), (1, 6)), 9)
    record = bytearray(some_bytes(flat.record_bytes))
    output = bytearray(len(record) - missing)
    result = get(engine).save_into(flat, record, output)
    assert (result.code, result.expected, result.got) == (Code.NO_ROOM, len(record), len(output))
    run, argument, _keep = get(engine).bind_save(flat, record, output)
    assert run(argument) == 0
