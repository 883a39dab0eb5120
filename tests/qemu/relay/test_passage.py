"""A relay between sockets whose ends the test holds: every byte, both ways, both ends' ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import lzma
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vnetmig
from vnetmig.errors import ChannelError, FieldError, VnetmigError
from vnetmig.migration.account import Account, Phase
from vnetmig.qemu.relay import recording
from vnetmig.qemu.relay.outcome import Relayed
from vnetmig.qemu.relay.passage import PIECE
from vnetmig.stream.commands import NOTHING
from vnetmig.stream.events import Command, PackageEnd
from vnetmig.stream.framing import OPEN_RETURN_PATH
from vnetmig.stream.return_path import Pong, Shut

STREAMS = Path(__file__).resolve().parent.parent.parent / "streams"
PLAIN = lzma.decompress((STREAMS / "linux-user-packed-q72" / "stream.bin.xz").read_bytes())
SECONDS = 30


def with_return_path(data: bytes) -> bytes:
    """As a source begins that has the capability: the command stands in front of the first section."""
    at = vnetmig.load(data).sections[0].offset
    return data[:at] + Command(OPEN_RETURN_PATH, NOTHING).encode() + data[at:]


RETURN_PATH = with_return_path(PLAIN)


class Relay:
    """In a thread; ``source`` and ``destination`` are the two ends of the test's."""

    def __init__(self, folder: Path, tcp: bool = False, **options: Any) -> None:
        self.folder = folder
        self.options = options
        self.listener = socket.create_server(("127.0.0.1", 0)) if tcp else socket.socket(socket.AF_UNIX)
        if tcp:
            self.destination_address = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        else:
            self.listener.bind(f"{folder}/destination")
            self.destination_address = f"unix:{folder}/destination"
        self.listener.listen()
        self.listener.settimeout(SECONDS)
        self.listen_at = "tcp:127.0.0.1:0" if tcp else f"unix:{folder}/relay"
        self.listening = threading.Event()
        self.address = ""
        self.outcome: Relayed | BaseException | None = None

    def __enter__(self) -> Relay:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.listening.wait(SECONDS)
        return self

    def _run(self) -> None:
        def ready(address: str) -> None:
            self.address = address
            self.listening.set()

        try:
            self.outcome = vnetmig.relay(self.listen_at, self.destination_address, listening=ready, **self.options)
        except BaseException as error:
            self.outcome = error
            self.listening.set()

    def source(self) -> socket.socket:
        if self.address.startswith("tcp:"):
            return socket.create_connection(("127.0.0.1", int(self.address.rpartition(":")[2])), SECONDS)
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(SECONDS)
        made.connect(self.address.removeprefix("unix:") if self.address.startswith("unix:") else self.address)
        return made

    def destination(self) -> socket.socket:
        made, _ = self.listener.accept()
        made.settimeout(SECONDS)
        return made

    def result(self) -> Relayed:
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        assert self.outcome is not None
        return self.outcome

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self.thread.join(SECONDS)


def everything(one: socket.socket) -> bytes:
    """Up to its end."""
    found = b""
    while data := one.recv(1 << 20):
        found += data
    return found


def taken(one: socket.socket) -> tuple[threading.Thread, list[bytes]]:
    """``everything``, by a thread that ends when it is all there."""
    found: list[bytes] = []

    def take() -> None:
        with one, contextlib.suppress(OSError):
            found.append(everything(one))

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread, found


def sent(one: socket.socket, data: bytes) -> threading.Thread:
    """From a thread, which ends when all is taken or nobody takes it."""

    def send() -> None:
        with contextlib.suppress(OSError):
            one.sendall(data)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_every_byte_both_ways(tmp_path: Path, tcp: bool) -> None:
    recorded, out = tmp_path / "in", tmp_path / "out"
    with Relay(tmp_path, tcp, record=str(recorded), record_out=str(out)) as relay:
        source, destination = relay.source(), relay.destination()
        with source, destination:
            sending = sent(source, RETURN_PATH)
            received = b""
            while len(received) < len(RETURN_PATH):
                received += destination.recv(1 << 20)
            sending.join()
            words = Pong(1).encode() + Shut(0).encode()
            destination.sendall(words)
            destination.close()
            assert everything(source) == words
        made = relay.result()
    assert received == RETURN_PATH == recorded.read_bytes() == out.read_bytes()
    assert (made.verdict, made.confirmed, made.account.size) == ("completed", True, len(RETURN_PATH))
    assert [(channel.forward, channel.back) for channel in made.channels] == [(len(RETURN_PATH), len(words))]


def test_a_source_that_closes_first_is_told_to_the_destination(tmp_path: Path) -> None:
    """As without a return path: half of the connection ends, and the other half stays until the destination is done."""
    with Relay(tmp_path) as relay:
        source, destination = relay.source(), relay.destination()
        with destination:
            sending = sent(source, PLAIN)
            sending.join(0)
            threading.Thread(target=lambda: (sending.join(), source.close()), daemon=True).start()
            assert everything(destination) == PLAIN
        assert relay.result().verdict == "completed"


def test_a_byte_goes_on_before_another_comes(tmp_path: Path) -> None:
    with Relay(tmp_path) as relay, relay.source() as source, relay.destination() as destination:
        for at in range(40):
            source.sendall(PLAIN[at : at + 1])
            assert destination.recv(10) == PLAIN[at : at + 1]


def test_nobody_reads_more_than_the_destination_takes(tmp_path: Path) -> None:
    """A destination that takes nothing stops the source, after what sockets and the relay hold."""
    with Relay(tmp_path) as relay, relay.source() as source, relay.destination():
        source.settimeout(1)
        taken = 0
        with contextlib.suppress(TimeoutError):
            while taken < 64 << 20:
                taken += source.send(bytes(1 << 16))
        assert taken < 4 * PIECE + (4 << 20)


@pytest.mark.parametrize("at", [0, 100, 5000, 250_000, len(PLAIN) - 60_000, len(PLAIN) - 1])
@pytest.mark.parametrize("data", [PLAIN, RETURN_PATH], ids=["plain", "return-path"])
def test_a_source_that_is_cut_anywhere(tmp_path: Path, data: bytes, at: int) -> None:
    with Relay(tmp_path) as relay:
        source, destination = relay.source(), relay.destination()
        with destination:
            taking, found = taken(destination)  # at the same time: sockets may not hold all of it
            sent(source, data[:at]).join()
            source.close()
            taking.join(SECONDS)
        made = relay.result()
    assert found == [data[:at]], "nothing is made up"
    ended = made.account.complete
    if data is PLAIN and ended:
        assert made.verdict == "completed"
    else:
        assert made.verdict == "failed" and made.side == ("destination" if ended else "source")


@pytest.mark.parametrize("at", [0, 100, 5000, 250_000, len(PLAIN) - 60_000])
def test_a_destination_that_is_cut_anywhere(tmp_path: Path, at: int) -> None:
    with Relay(tmp_path) as relay:
        with relay.source() as source, relay.destination() as destination:
            sent(source, PLAIN[: at + 1]).join()
            got = 0
            while got < at:
                got += len(destination.recv(at - got))
            destination.close()
            with contextlib.suppress(ConnectionError):
                assert everything(source) == b"", "the source sees its connection end"
        made = relay.result()
    assert (made.verdict, made.side) == ("failed", "destination")
    assert str(made.error).startswith(("the destination closed", "the connection to the destination was lost"))


def test_a_destination_that_says_that_it_failed(tmp_path: Path) -> None:
    with Relay(tmp_path) as relay:
        with relay.source() as source, relay.destination() as destination:
            sent(source, RETURN_PATH)
            got = 0
            while got < len(RETURN_PATH):
                got += len(destination.recv(1 << 20))
            destination.sendall(Shut(1).encode())
            destination.close()
            assert everything(source) == Shut(1).encode()
        made = relay.result()
    assert (made.verdict, made.side, made.confirmed) == ("failed", "destination", False)
    assert "SHUT 1" in str(made.error)


def refusing(device: object) -> None:
    raise VnetmigError("not this one")


def test_a_refused_source_hears_what_a_destination_would_say(tmp_path: Path) -> None:
    with Relay(tmp_path, inspect=refusing) as relay:
        with relay.source() as source:
            sent(source, RETURN_PATH)
            taking, found = taken(relay.destination())  # it is reached when the beginning is found to be good
            assert everything(source) == Shut(1).encode()
            taking.join(SECONDS)
        made = relay.result()
    (received,) = found
    assert RETURN_PATH.startswith(received) and len(received) < len(RETURN_PATH) - 1
    assert (made.verdict, made.side, str(made.error)) == ("refused", "relay", "not this one")
    assert not made.account.complete


def test_an_inspector_with_a_mistake_in_it_ends_the_migration_too(tmp_path: Path) -> None:
    def mistaken(device: object) -> None:
        raise ZeroDivisionError

    with Relay(tmp_path, inspect=mistaken) as relay:
        with relay.source() as source:
            sent(source, RETURN_PATH)
            taking, _ = taken(relay.destination())
            with contextlib.suppress(ConnectionError):
                everything(source)
            taking.join(SECONDS)
        with pytest.raises(ZeroDivisionError):
            relay.result()


def test_what_nobody_can_read_is_passed_on(tmp_path: Path) -> None:
    data = b"\x16\x03\x01\x02\x00" + os.urandom(300_000)
    with Relay(tmp_path) as relay:
        source, destination = relay.source(), relay.destination()
        with destination:
            threading.Thread(target=lambda: (source.sendall(data), source.close()), daemon=True).start()
            assert everything(destination) == data
        made = relay.result()
    assert made.verdict == "completed" and made.account.fault is not None


@pytest.mark.parametrize("name", ["source", "destination"])
def test_inherited_sockets(tmp_path: Path, name: str) -> None:
    """fd:N, as a management layer that opens the connections itself gives them."""
    ours, theirs = socket.socketpair()
    ours.settimeout(SECONDS)
    relay = Relay(tmp_path)
    if name == "source":
        relay.listen_at = f"fd:{theirs.detach()}"
    else:
        relay.destination_address = f"fd:{theirs.detach()}"
    with relay:
        source = ours if name == "source" else relay.source()
        destination = relay.destination() if name == "source" else ours
        with destination:
            threading.Thread(target=lambda: (source.sendall(PLAIN), source.close()), daemon=True).start()
            assert everything(destination) == PLAIN
        assert relay.result().verdict == "completed"


def test_a_second_channel_needs_an_address(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    relay = Relay(tmp_path)
    relay.destination_address = f"fd:{theirs.detach()}"
    with relay:
        with relay.source() as first, relay.source(), ours, contextlib.suppress(ConnectionError):
            everything(first)
        made = relay.result()
    assert made.side == "destination" and "more than one channel" in str(made.error)


def test_other_channels_are_recorded_beside_the_main_one(tmp_path: Path) -> None:
    recorded = tmp_path / "vm"
    with Relay(tmp_path, record=str(recorded)) as relay:
        source, destination = relay.source(), relay.destination()
        beside, there = relay.source(), relay.destination()
        with destination, there:
            beside.sendall(b"\x11\x22\x33\x44 and more")
            assert there.recv(100) == b"\x11\x22\x33\x44 and more"
            beside.close()
            assert there.recv(100) == b""
            threading.Thread(target=lambda: (source.sendall(PLAIN), source.close()), daemon=True).start()
            assert everything(destination) == PLAIN
        made = relay.result()
    assert [(channel.kind, channel.forward) for channel in made.channels] == [("main", len(PLAIN)), ("multifd", 13)]
    assert Path(f"{recorded}.1").read_bytes() == b"\x11\x22\x33\x44 and more"


def test_another_channel_that_cannot_be_recorded_goes_on(tmp_path: Path) -> None:
    """A file of its name is there already: that is known only when the channel comes."""
    (tmp_path / "vm.1").write_bytes(b"mine")
    with Relay(tmp_path, record=f"{tmp_path}/vm") as relay:
        source, destination = relay.source(), relay.destination()
        beside, there = relay.source(), relay.destination()
        with destination, there, beside:
            beside.sendall(b"\x11\x22\x33\x44")
            assert there.recv(100) == b"\x11\x22\x33\x44"
            threading.Thread(target=lambda: (source.sendall(PLAIN), source.close()), daemon=True).start()
            assert everything(destination) == PLAIN
        made = relay.result()
    assert made.verdict == "completed" and (tmp_path / "vm.1").read_bytes() == b"mine"
    (note,) = made.notes
    assert "vm.1: there is such a file already" in note


def test_a_full_disk_does_not_end_what_may_run_at_the_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postcopy: the package holds what starts the guest, and the pages that follow are nowhere else."""
    data = lzma.decompress((STREAMS / "proxy-postcopy-fw-q111" / "stream.bin.xz").read_bytes())
    package = next(one for one in vnetmig.load(data).events if isinstance(one, PackageEnd)).offset
    tried = threading.Event()

    def write(number: int, piece: memoryview) -> int:
        tried.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recording.os, "write", write)
    with Relay(tmp_path, record=f"{tmp_path}/vm") as relay:
        source, destination = relay.source(), relay.destination()
        with source, destination:
            _, found = taken(destination)
            source.sendall(data[:package])
            assert tried.wait(SECONDS)
            source.sendall(data[package:])
            destination.sendall(Shut(0).encode())
            source.shutdown(socket.SHUT_WR)
            assert everything(source) == Shut(0).encode()
        made = relay.result()
    assert made.verdict == "completed" and found == [data]
    assert "No space left" in made.notes[0]


def test_it_is_followed(tmp_path: Path) -> None:
    seen: list[Phase] = []

    def follow(account: Account) -> None:
        seen.append(account.phase)

    with Relay(tmp_path, follow=follow) as relay:
        source, destination = relay.source(), relay.destination()
        with destination:
            source.sendall(PLAIN[:1000])  # among the first pages
            deadline = time.monotonic() + SECONDS
            while Phase.ROUNDS not in seen:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            threading.Thread(target=lambda: (source.sendall(PLAIN[1000:]), source.close()), daemon=True).start()
            everything(destination)
        relay.result()
    assert seen[-1] is Phase.ENDING


@pytest.mark.parametrize(
    ("listen", "connect", "error"),
    [
        ("file:/tmp/x", "unix:/tmp/y", ChannelError),
        ("unix:/tmp/x", "file:/tmp/y", ChannelError),
        ("udp:1:2", "unix:/tmp/y", ChannelError),
        ("unix:/nonexistent/x", "unix:/tmp/y", ChannelError),
        ("fd:99999", "unix:/tmp/y", ChannelError),
    ],
)
def test_addresses_that_cannot_be(listen: str, connect: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        vnetmig.relay(listen, connect)


def test_what_is_wrong_is_said_before_anybody_comes(tmp_path: Path) -> None:
    with pytest.raises(FieldError):
        vnetmig.relay(f"unix:{tmp_path}/a", f"unix:{tmp_path}/b", sets=["nonsense"])
    with pytest.raises(FileNotFoundError):
        vnetmig.relay(f"unix:{tmp_path}/a", f"unix:{tmp_path}/b", record=f"{tmp_path}/no/such/folder")
    assert not list(tmp_path.iterdir()), "its socket is gone"


@pytest.mark.parametrize(
    ("data", "at", "goes_on"),
    [
        (RETURN_PATH, 5000, False),
        (RETURN_PATH, len(RETURN_PATH), True),
        (PLAIN, 5000, False),
        (PLAIN, len(PLAIN), True),
    ],
)
def test_it_is_not_cancelled_when_the_guest_cannot_go_back(tmp_path: Path, data: bytes, at: int, goes_on: bool) -> None:
    told: list[str] = []

    async def run() -> Relayed:
        loop = asyncio.get_running_loop()
        listening = asyncio.Event()
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as source:
            listener.bind(f"{tmp_path}/b")
            listener.listen()
            for one in (listener, source):
                one.setblocking(False)
            task = asyncio.ensure_future(
                vnetmig.relaying(
                    f"unix:{tmp_path}/a", f"unix:{tmp_path}/b", listening=lambda _: listening.set(), held=told.append
                )
            )
            await listening.wait()
            await loop.sock_connect(source, f"{tmp_path}/a")
            destination, _ = await loop.sock_accept(listener)
            with destination:
                sending = asyncio.ensure_future(loop.sock_sendall(source, data[:at]))
                left = at
                while left:
                    left -= len(await loop.sock_recv(destination, left))
                await sending
                task.cancel()
                await asyncio.sleep(0.01)
                if not task.done():
                    await loop.sock_sendall(destination, Shut(0).encode())
                    source.shutdown(socket.SHUT_WR)
            return await asyncio.wait_for(task, SECONDS)

    if goes_on:
        made = asyncio.run(run())
        assert made.verdict == "completed" and made.notes == told and "goes on" in told[0]
    else:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(run())
        assert not told


def test_a_relay_in_somebody_s_loop_can_be_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        listening = asyncio.Event()
        task = asyncio.ensure_future(
            vnetmig.relaying(f"unix:{tmp_path}/a", f"unix:{tmp_path}/b", listening=lambda _: listening.set())
        )
        await listening.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert not list(tmp_path.iterdir())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    deadline = time.monotonic() + SECONDS
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
