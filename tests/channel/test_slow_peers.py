"""Peers that are slow, stop in the middle, leave or reset: a migration ends, says where, and has one owner at most."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from between import STREAMS, machine_of, sent_by, stream_of

from vnetmig.channel.address import FdAddress
from vnetmig.channel.file import FileChannel, open_fd
from vnetmig.channel.socket_channel import SocketChannel
from vnetmig.errors import ChannelError
from vnetmig.migration.destination import Destination
from vnetmig.migration.run import send_migration, serve_incoming
from vnetmig.migration.source import Source

FOLDER = STREAMS / "rfc-user-1q-legacy"
PATIENCE = 0.2
"""Seconds until a peer without a word counts as gone."""


def sent() -> bytes:
    return sent_by(Source(machine_of(FOLDER), "stock"))


@contextmanager
def pair(timeout: float = 20) -> Iterator[tuple[socket.socket, SocketChannel]]:
    """A peer's plain socket, and our channel."""
    left, right = socket.socketpair()
    left.settimeout(20)
    with left, SocketChannel(right, timeout) as channel:
        yield left, channel


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        assert not thread.is_alive()


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


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def test_a_source_that_sends_one_byte_at_a_time() -> None:
    data = sent()
    with pair() as (peer, channel):

        def dribble() -> None:
            for at in range(0, len(data) - 2000, 997):
                peer.sendall(data[at : min(at + 997, len(data) - 2000)])
            for byte in data[-2000:]:
                peer.sendall(bytes((byte,)))
            peer.shutdown(socket.SHUT_WR)

        with beside(dribble):
            destination = serve_incoming(channel, page_size=machine_of(FOLDER).page_size)
    assert destination.error is None
    assert destination.owner == "destination"


@pytest.mark.parametrize("part", [1, 3, 100, 0.5, 0.9, -1])
@pytest.mark.parametrize("how", ["stops", "closes", "resets"])
def test_a_source_that_does_not_go_on(how: str, part: float) -> None:
    data = sent()
    cut = int(len(data) * part) if 0 < part < 1 else int(part) if part > 0 else len(data) - 1
    with pair(PATIENCE) as (peer, channel):
        end = threading.Event()

        def send() -> None:
            peer.sendall(data[:cut])
            if how == "closes":
                peer.close()
            elif how == "resets":
                reset(peer)
            else:
                end.wait(30)

        with beside(send):
            destination = serve_incoming(channel, page_size=machine_of(FOLDER).page_size)
            end.set()
    assert destination.error is not None
    assert destination.owner != "destination"
    if how == "stops":
        assert "Unable to read from socket: timed out" in str(destination.error)


@pytest.mark.parametrize("how", ["stops", "closes", "resets", "lies"])
def test_a_destination_that_does_not_answer(how: str) -> None:
    with pair(PATIENCE) as (peer, channel):
        end = threading.Event()

        def receive() -> None:
            peer.recv(5000)
            if how == "stops":
                end.wait(30)
            elif how == "lies":
                peer.sendall(b"\xff" * 64)
                end.wait(30)
            else:
                (peer.close if how == "closes" else lambda: reset(peer))()

        with beside(receive):
            outcome = send_migration(channel, machine_of(FOLDER), "stock")
            end.set()
    assert not outcome.completed
    assert outcome.error
    assert outcome.owner != "destination"


def test_a_destination_that_reads_one_byte_at_a_time() -> None:
    with pair() as (peer, channel):
        destination = Destination(page_size=machine_of(FOLDER).page_size)

        def receive() -> None:
            count = 0
            while not destination.finished:
                data = peer.recv(1 if count < 3000 else 1 << 16)
                count += 1
                destination.feed(data) if data else destination.close()
                peer.sendall(destination.answer())
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(1 << 16):
                pass

        with beside(receive):
            outcome = send_migration(channel, machine_of(FOLDER), "stock")
    assert outcome.completed, outcome.error
    assert destination.error is None


def test_signals_while_a_destination_receives() -> None:
    left, right = socket.socketpair()
    outcomes = []

    def send() -> None:
        with SocketChannel(left, 20) as near:
            outcomes.append(send_migration(near, machine_of(FOLDER), "stock"))

    with a_signal_every_millisecond() as seen, SocketChannel(right, 20) as far, beside(send):
        destination = serve_incoming(far, page_size=machine_of(FOLDER).page_size)
    assert destination.error is None and outcomes[0].completed, outcomes[0].error
    assert seen


def test_signals_while_a_source_sends() -> None:
    left, right = socket.socketpair()

    def serve() -> None:
        with SocketChannel(right, 20) as far:
            serve_incoming(far, page_size=machine_of(FOLDER).page_size)

    with a_signal_every_millisecond() as seen, SocketChannel(left, 20) as near, beside(serve):
        outcome = send_migration(near, machine_of(FOLDER), "stock")
    assert outcome.completed, outcome.error
    assert seen


# Pipes


def test_a_pipe_that_nobody_writes_to() -> None:
    reading, writing = os.pipe()
    with FileChannel(reading, "the pipe", PATIENCE) as channel:
        with pytest.raises(ChannelError, match="Unable to read from 'the pipe': timed out"):
            channel.receive(10)
        os.write(writing, b"late")
        assert channel.receive(10) == b"late"
        os.close(writing)
        assert channel.receive(10) == b""


def test_a_pipe_that_nobody_reads_from() -> None:
    reading, writing = os.pipe()
    with open_fd(FdAddress(writing), PATIENCE) as channel:
        with pytest.raises(ChannelError, match=rf"Unable to write to 'fd:{writing}': timed out"):
            channel.send(bytes(1 << 20))
        assert len(os.read(reading, 1 << 20)) >= 4096
        os.close(reading)
        with pytest.raises(ChannelError, match="Broken pipe"):
            channel.send(b"x")


def test_signals_and_a_pipe() -> None:
    data = os.urandom(1 << 20)
    reading, writing = os.pipe()
    received = bytearray()

    def read() -> None:
        with FileChannel(reading, "in") as channel:
            while part := channel.receive(3001):
                received.extend(part)

    with a_signal_every_millisecond() as seen, beside(read), FileChannel(writing, "out") as channel:
        for at in range(0, len(data), 70_001):
            channel.send(data[at : at + 70_001])
    assert received == data and seen


def test_short_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    whole = os.write
    monkeypatch.setattr(os, "write", lambda number, data: whole(number, bytes(data[:7])))
    with FileChannel(writing, "out") as channel:
        channel.send(b"0123456789" * 10)
    monkeypatch.undo()
    assert os.read(reading, 1000) == b"0123456789" * 10
    os.close(reading)


def test_a_whole_migration_through_a_pipe_is_a_stream() -> None:
    reading, writing = os.pipe()
    data = stream_of(FOLDER)

    def send() -> None:
        with FileChannel(writing, "out", 20) as channel:
            channel.send(data)

    with beside(send), FileChannel(reading, "in", 20) as channel:
        destination = serve_incoming(channel, page_size=machine_of(FOLDER).page_size)
    assert destination.error is None
