"""Files that give a byte at a time, give nothing now, are interrupted or break: all is read, or it is said where."""

from __future__ import annotations

import errno
import io
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import sample_bytes, spawn, stream_bytes

import vnetmig
from vnetmig.errors import StreamError
from vnetmig.stream.source import CHUNK

SMALL = "rfc-user-1q-legacy"


class Odd:
    """A file that answers with a plan: how much, or what it raises."""

    def __init__(self, data: bytes, plan: Iterator[int | Exception | None]) -> None:
        self._file = io.BytesIO(data)
        self._plan = plan
        self.calls = 0

    def read(self, size: int = -1, /) -> bytes | None:
        self.calls += 1
        step = next(self._plan)
        if isinstance(step, Exception):
            raise step
        return None if step is None else self._file.read(min(step, size))


def forever(*steps: int | Exception | None) -> Iterator[int | Exception | None]:
    while True:
        yield from steps


def at_random(seed: int) -> Iterator[int | Exception | None]:
    rng = random.Random(seed)
    while True:
        yield rng.choice([1, 2, 3, 7, 100, 4096, 65_537, CHUNK, InterruptedError()])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "xz"])
def test_a_byte_at_a_time(packed: bool) -> None:
    data = stream_bytes(SMALL)
    given = vnetmig.sample() if packed else data
    found = vnetmig.load(Odd(given, forever(1)))  # type: ignore[arg-type]
    assert found.encode() == (sample_bytes() if packed else data)


@pytest.mark.parametrize("seed", range(4))
def test_random_amounts_and_interruptions(seed: int) -> None:
    assert vnetmig.load(Odd(vnetmig.sample(), at_random(seed))).encode() == sample_bytes()  # type: ignore[arg-type]


def test_a_file_that_does_not_wait() -> None:
    data = stream_bytes(SMALL)
    with pytest.raises(StreamError, match="the file does not wait") as caught:
        vnetmig.load(Odd(data, iter([1000, 24, None])))  # type: ignore[arg-type]
    assert (caught.value.offset, caught.value.code) == (1024, "blocked")
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, data[:100])
    try:
        with open(reading, "rb", 0) as file, pytest.raises(StreamError) as caught:
            vnetmig.load(file)
        assert caught.value.offset == 100
    finally:
        os.close(writing)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ConnectionResetError(104, "reset")])
def test_a_file_that_breaks(error: OSError) -> None:
    file = Odd(vnetmig.sample(), iter([5000, 5000, error]))
    with pytest.raises(OSError) as caught:
        vnetmig.load(file)  # type: ignore[arg-type]
    assert caught.value is error
    assert file.calls == 3
    assert vnetmig.load(vnetmig.sample()).machine


def test_a_file_that_ends_too_early() -> None:
    data = stream_bytes(SMALL)
    found = vnetmig.load(Odd(data[:-200_000], forever(4096)), partial=True)  # type: ignore[arg-type]
    assert found.error is not None and found.error.code == "truncated"
    assert found.error.offset is not None and found.error.offset <= len(data) - 200_000


@contextmanager
def a_signal_every_millisecond() -> Iterator[list[int]]:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_signals_while_a_pipe_is_read() -> None:
    data = sample_bytes()
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb", 0) as file:
            for at in range(0, len(data), 5000):
                file.write(data[at : at + 5000])

    writer = threading.Thread(target=write)
    with a_signal_every_millisecond() as seen, open(reading, "rb", 0) as file:
        writer.start()
        assert vnetmig.load(file).encode() == data
    writer.join(60)
    assert not writer.is_alive() and seen


def test_signals_while_a_stream_is_saved(tmp_path: Path) -> None:
    stream = vnetmig.load(vnetmig.sample())
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    with a_signal_every_millisecond() as seen:
        stream.save(fifo)
        for number in range(5):
            stream.save(tmp_path / f"{number}.qemu")
    reader.join(60)
    assert read == [sample_bytes()] and seen
    assert all((tmp_path / f"{number}.qemu").read_bytes() == sample_bytes() for number in range(5))


def test_a_pipe_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    stream = vnetmig.load(vnetmig.sample())
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def look() -> None:
        with fifo.open("rb", 0) as file:
            file.read(10)

    reader = threading.Thread(target=look)
    reader.start()
    with pytest.raises(BrokenPipeError):
        stream.save(fifo)
    reader.join(60)
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]
    assert stream.encode() == sample_bytes()


def test_stdin_that_comes_slowly() -> None:
    reading, writing = os.pipe()
    data = stream_bytes(SMALL)

    def write() -> None:
        with open(writing, "wb", 0) as file:
            for at in range(0, len(data), 7000):
                file.write(data[at : at + 7000])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        result = spawn("recode", "-", stdin=reading)
    finally:
        os.close(reading)
        writer.join(60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"identical, {len(data)} bytes")
