"""Sockets, descriptors and files: everything arrives, whatever the system calls do in between."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vnetmig.channel.address import FileAddress, UnixAddress
from vnetmig.channel.file import FileChannel, open_file
from vnetmig.channel.opening import accept, connect, listen
from vnetmig.channel.socket_channel import SocketChannel
from vnetmig.channel.unix import PATH_MAX, connect_unix
from vnetmig.errors import ChannelError

DATA = os.urandom(3 << 20)


def drained(channel: SocketChannel | FileChannel, limit: int = 70_000) -> bytes:
    parts = []
    while part := channel.receive(limit):
        assert len(part) <= limit
        parts.append(part)
    return b"".join(parts)


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(20)
        assert not thread.is_alive()


def address_of(kind: str, tmp_path: Path) -> str:
    return f"unix:{tmp_path / 's'}" if kind == "unix" else "tcp:127.0.0.1:0"


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_both_directions_and_half_an_end(kind: str, tmp_path: Path) -> None:
    def send() -> None:
        near.send(DATA)
        near.finish()

    with (
        listen(address_of(kind, tmp_path)) as listener,
        connect(listener.address, timeout=20) as near,
        listener.accept(20) as far,
    ):
        with beside(send):
            assert drained(far) == DATA
        far.send(b"answer")
        far.finish()
        assert drained(near) == b"answer"


def test_a_free_port_is_named() -> None:
    with listen("tcp:127.0.0.1:0") as listener:
        assert int(listener.address.rpartition(":")[2]) > 0


def test_a_signal_does_not_end_a_call() -> None:
    left, right = socket.socketpair()
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        with SocketChannel(left, 10) as near, SocketChannel(right, 10) as far:

            def later() -> None:
                time.sleep(0.15)
                far.send(b"x")
                received.append(drained(far))

            received: list[bytes] = []
            with beside(later):
                assert near.receive(10) == b"x"
                near.send(DATA)
                near.finish()
            assert received == [DATA]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen


def test_a_peer_that_says_nothing(tmp_path: Path) -> None:
    left, right = socket.socketpair()
    with SocketChannel(left, 0.05) as near, SocketChannel(right, 0.05):
        with pytest.raises(ChannelError, match="Unable to read from socket: timed out"):
            near.receive(1)
        with pytest.raises(ChannelError, match="Unable to write to socket: timed out"):
            near.send(DATA * 4)
    with listen(f"unix:{tmp_path / 's'}") as listener, pytest.raises(ChannelError, match="accept"):
        listener.accept(0.05)


def test_a_peer_that_is_gone() -> None:
    left, right = socket.socketpair()
    with SocketChannel(left, 5) as near:
        right.close()
        with pytest.raises(ChannelError, match="Unable to write to socket: Broken pipe"):
            near.send(DATA)
        near.finish()
        assert near.receive(1) == b""


def test_a_closed_channel() -> None:
    left, right = socket.socketpair()
    channel = SocketChannel(left)
    channel.close()
    with pytest.raises(ChannelError, match="Bad file descriptor"):
        channel.send(b"x")
    right.close()


def test_a_closed_file(tmp_path: Path) -> None:
    channel = open_file(FileAddress(str(tmp_path / "vm")), write=True)
    channel.close()
    channel.close()
    with pytest.raises(ChannelError, match=r"Unable to write to '.*vm': it is closed"):
        channel.send(b"x")


def test_an_offset_into_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    both = os.open(tmp_path / "pipe", os.O_RDWR)
    free = os.dup(both)
    os.close(free)
    with pytest.raises(ChannelError, match=r"Unable to open '.*pipe': Illegal seek"):
        open_file(FileAddress(str(tmp_path / "pipe"), 4), write=False)
    again = os.dup(both)
    assert again == free, "no descriptor is left"
    os.close(again)
    os.close(both)


def test_a_port_that_is_taken() -> None:
    with (
        listen("tcp:127.0.0.1:0") as listener,
        pytest.raises(ChannelError, match=r"Failed to bind socket to '.*': Address already in use"),
    ):
        listen(listener.address)


@pytest.mark.parametrize("kind", ["unix:{}/none", "tcp:127.0.0.1:1"])
def test_nobody_there(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="Failed to connect to '"):
        connect(kind.format(tmp_path), timeout=5)


def test_an_unknown_host() -> None:
    with pytest.raises(ChannelError, match="address resolution failed"):
        connect("tcp:host.invalid:1", timeout=5)


def test_patience(tmp_path: Path) -> None:
    where = f"unix:{tmp_path / 's'}"

    def late() -> None:
        time.sleep(0.1)
        with accept(where, timeout=10) as channel:
            channel.send(b"here")

    with beside(late), connect(where, timeout=10, patience=10) as channel:
        assert channel.receive(10) == b"here"


def test_a_unix_path_has_a_limit() -> None:
    with pytest.raises(ChannelError, match=f"is too long\n  Path must be less than {PATH_MAX + 1} bytes"):
        connect_unix(UnixAddress("/" + "x" * PATH_MAX))


def test_an_abandoned_socket_file_is_replaced_and_others_are_not(tmp_path: Path) -> None:
    abandoned = tmp_path / "old"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(abandoned))
    with listen(f"unix:{abandoned}"):
        pass
    assert not abandoned.exists()
    other = tmp_path / "other"
    other.write_text("precious")
    with pytest.raises(ChannelError, match=r"Failed to bind socket to .*: Address already in use"):
        listen(f"unix:{other}")
    assert other.read_text() == "precious"


def test_a_file_with_an_offset(tmp_path: Path) -> None:
    path = tmp_path / "vm"
    path.write_bytes(b"head" + b"old" * 100)
    with connect(f"file:{path},offset=4") as channel:
        channel.send(DATA)
        channel.finish()
    assert path.read_bytes() == b"head" + DATA
    with accept(f"file:{path},offset=4") as channel:
        assert drained(channel) == DATA
    assert not channel.two_way


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match=r"Unable to open '.*none': No such file or directory"):
        open_file(FileAddress(str(tmp_path / "none")), write=False)


def test_an_inherited_pipe_and_an_inherited_socket() -> None:
    reading, writing = os.pipe()
    with accept(f"fd:{reading}") as far:

        def send() -> None:
            with connect(f"fd:{writing}") as near:
                near.send(DATA)

        with beside(send):
            assert drained(far) == DATA
    left, right = socket.socketpair()
    with SocketChannel(right, 5) as far, connect(f"fd:{left.detach()}", timeout=5) as near:
        assert near.two_way
        near.send(b"x")
        assert far.receive(5) == b"x"


@pytest.mark.parametrize("address", ["fd:987654", "fd:-"])
def test_a_descriptor_that_is_none(address: str) -> None:
    with pytest.raises(ChannelError):
        connect(address)


@pytest.mark.parametrize("address", ["fd:3", "file:/x"])
def test_only_sockets_can_wait(address: str) -> None:
    with pytest.raises(ChannelError, match="cannot listen on"):
        listen(address)
