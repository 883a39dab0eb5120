"""send and serve against each other, and against ends that do not keep to anything."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from command_line import run, run_json, sample_bytes, stream_bytes
from test_recording import asking

import vnetmig
from vnetmig import Sent, Served
from vnetmig.errors import ChannelError, FieldError, MigrationError, StreamError
from vnetmig.qemu import incoming_channels
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping
from vnetmig.stream.events import Command
from vnetmig.stream.multifd import InitPacket
from vnetmig.stream.return_path import Pong, Shut, SwitchoverAck


@contextlib.contextmanager
def serving(path: Path, address: str | None = None, **options: Any) -> Iterator[tuple[str, Future[Served]]]:
    """(where it listens, what it will return)"""
    listening: Future[str] = Future()
    with ThreadPoolExecutor(1) as threads:
        address = address or f"unix:{path.parent}/socket"
        served = threads.submit(vnetmig.serve, address, path, listening=listening.set_result, **options)
        served.add_done_callback(lambda over: listening.cancel())
        yield listening.result(10), served


@contextlib.contextmanager
def source(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(10)
        connected.connect(address.removeprefix("unix:"))
        yield connected


@contextlib.contextmanager
def destination(path: Path, behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Somebody who accepts one connection and behaves in some way."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        address = f"unix:{path}"

        def accept() -> None:
            connected, _ = listener.accept()
            with connected, contextlib.suppress(OSError):
                behave(connected)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield address
        finally:
            thread.join()


@pytest.mark.parametrize("address", [None, "tcp:127.0.0.1:0"])
def test_they_understand_each_other(tmp_path: Path, address: str | None) -> None:
    path = tmp_path / "vm.qemu"
    with serving(path, address) as (where, served):
        sent = vnetmig.send(vnetmig.sample(), where)
    made = served.result()
    assert (sent.outcome, sent.shut, sent.pongs) == ("loaded", 0, 1)
    assert (made.answer, made.heard, made.acknowledged) == (0, True, True)
    assert path.read_bytes() == sample_bytes()
    assert made.size == len(sample_bytes())
    assert made.account.peer.shut == 0
    assert vnetmig.load(path).device("virtio-net").idstr in [seen.idstr for seen in made.account.devices]
    assert [entry.name for entry in tmp_path.iterdir()] == ["vm.qemu"]


def test_the_file_is_there_before_the_source_hears_it(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    with serving(path) as (where, served), source(where) as ours:
        ours.sendall(asking())
        answers = b""
        while not answers.endswith(Shut(0).encode()):
            assert not path.exists() or path.read_bytes() == sample_bytes()
            answers += ours.recv(1)
        assert path.read_bytes() == sample_bytes()
        assert answers == Pong(7).encode() + SwitchoverAck().encode() + Shut(0).encode()
    assert served.result().source == "stopped: it has heard that all is well"


def test_a_rehearsal(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    with serving(path, then="resume", switchover_ack=False) as (where, served):
        sent = vnetmig.send(vnetmig.sample(), where)
    assert (sent.outcome, sent.shut) == ("refused", 1)
    assert served.result().source == "goes on there"
    assert path.read_bytes() == sample_bytes()


def test_a_source_that_does_not_ask(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    with serving(path) as (where, served), source(where) as ours:
        ours.sendall(sample_bytes())
        ours.shutdown(socket.SHUT_WR)
        assert ours.recv(1) == b""
    assert served.result().answer is None
    with serving(tmp_path / "no.qemu", then="resume") as (where, served), source(where) as ours:
        with contextlib.suppress(OSError):
            ours.sendall(sample_bytes())
        with pytest.raises(MigrationError, match="takes its capability return-path"):
            served.result()
    assert not (tmp_path / "no.qemu").exists()


@pytest.mark.parametrize("behind", [4, 100, 300_000, -1])
def test_a_source_that_dies_in_the_middle(tmp_path: Path, behind: int) -> None:
    with serving(tmp_path / "vm.qemu") as (where, served):
        with source(where) as ours:
            ours.sendall(asking()[:behind])
        with pytest.raises(MigrationError, match=r"closed in the middle(.|\n)*machine goes on there"):
            served.result(10)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"QEV"])
def test_a_look_at_whether_somebody_listens_is_no_migration(tmp_path: Path, data: bytes) -> None:
    with serving(tmp_path / "vm.qemu") as (where, served):
        with source(where) as ours:
            ours.sendall(data)
        assert vnetmig.send(vnetmig.sample(), where).outcome == "loaded"
    assert served.result().size == len(sample_bytes())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x16\x03\x01\x00\x00", "tls-creds"),
        (b"GET / HTTP/1.1\r\n", "Not a migration stream"),
        (sample_bytes()[:2000] + bytes(range(200)) * 20, "."),
    ],
)
def test_what_is_no_stream(tmp_path: Path, data: bytes, words: str) -> None:
    with serving(tmp_path / "vm.qemu") as (where, served), source(where) as ours:
        ours.sendall(data)
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_WR)
        with pytest.raises((MigrationError, StreamError), match=words):
            served.result(10)
    assert not list(tmp_path.iterdir())


def test_postcopy_is_refused_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "vm.qemu") as (where, served), source(where) as ours:
        data = stream_bytes("proxy-postcopy-fw-q111")
        with contextlib.suppress(OSError):
            ours.sendall(data)
        with pytest.raises(MigrationError, match=r"postcopy(.|\n)*told that it failed"):
            served.result(10)


def test_a_full_disk_is_told_to_the_source(tmp_path: Path) -> None:
    with serving(Path("/dev/full"), f"unix:{tmp_path}/socket") as (where, served):
        sent = vnetmig.send(vnetmig.sample(), where)
        with pytest.raises(MigrationError, match=r"No space left(.|\n)*told that it failed"):
            served.result(10)
    assert sent.outcome == "refused"


def test_multifd_channels_have_files_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    with serving(path) as (where, served), source(where) as main, source(where) as side:
        side.sendall(InitPacket(1).encode()[:10])
        main.sendall(asking())
        side.sendall(InitPacket(1).encode()[10:])
        answers = b""
        while not answers.endswith(Shut(0).encode()):
            answers += main.recv(100)
        main.close()
        assert served.result(20).channels == ((f"{path}.channel1", 64),)
    assert (tmp_path / "vm.qemu.channel1").read_bytes() == InitPacket(1).encode()


def test_multifd_channels_that_come_twice_or_stay_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    with serving(path) as (where, served), source(where) as one, source(where) as other:
        for side in (one, other):
            side.sendall(InitPacket(3).encode())
        with pytest.raises(MigrationError, match="channel 3 came twice"):
            served.result(10)
    with serving(path) as (where, served), source(where) as main, source(where) as other:
        main.sendall(asking()[:1000])
        time.sleep(0.2)
        other.sendall(bytes(100))
        with pytest.raises(MigrationError, match="begins with 00 00 00 00"):
            served.result(10)
    assert not list(tmp_path.iterdir())


def test_files_and_addresses(tmp_path: Path) -> None:
    path = tmp_path / "vm.qemu"
    path.write_bytes(b"mine")
    with pytest.raises(FieldError, match="such a file already"):
        vnetmig.serve(f"unix:{tmp_path}/socket", path)
    for address in ("fd:3", "rdma:x", "file:/x"):
        with pytest.raises(FieldError):
            vnetmig.serve(address, tmp_path / "other")
    assert run("serve", "--listen", "nothing", "-o", tmp_path / "other").exit_code == 2
    assert run("send", path, f"unix:{tmp_path}/nobody").exit_code == 3  # it is no stream
    with pytest.raises(ChannelError, match="Failed to bind"):
        vnetmig.serve(f"unix:{tmp_path}/no/socket", tmp_path / "other")
    assert [entry.name for entry in tmp_path.iterdir()] == ["vm.qemu"]


def swallow(connected: socket.socket) -> bytes:
    data = b""
    while more := connected.recv(1 << 20):
        data += more
    return data


def outcome(tmp_path: Path, behave: Callable[[socket.socket], None], **options: Any) -> Sent:
    with destination(tmp_path / "destination", behave) as address:
        return vnetmig.send(vnetmig.sample(), address, **options)


def test_a_destination_that_leaves_at_once(tmp_path: Path) -> None:
    sent = outcome(tmp_path, lambda connected: connected.close())
    assert (sent.outcome, sent.shut) == ("refused", None)
    assert "it closed before all was sent" in sent.why


def test_a_destination_that_answers_and_leaves(tmp_path: Path) -> None:
    def behave(connected: socket.socket) -> None:
        connected.sendall(Pong(1).encode())
        swallow(connected)

    sent = outcome(tmp_path, behave)
    assert (sent.outcome, sent.pongs) == ("refused", 1)
    assert "without saying that all is loaded" in sent.why


def test_a_destination_that_says_nothing(tmp_path: Path) -> None:
    sent = outcome(tmp_path, lambda connected: swallow(connected) and None)
    assert sent.outcome == "unknown"
    over = threading.Event()

    def wait(connected: socket.socket) -> None:
        swallow(connected)
        over.wait(30)

    with destination(tmp_path / "silent", wait) as address:
        found = run("send", "-", address, "--patience", "0.2", stdin=vnetmig.sample())
        over.set()
    assert found.exit_code == 1
    assert "unknown: the destination did not say" in found.stdout


def test_a_destination_that_takes_only_the_beginning(tmp_path: Path) -> None:
    over = threading.Event()
    with destination(tmp_path / "stuck", lambda connected: over.wait(30) and None) as address:
        sent = vnetmig.send(vnetmig.sample(), address, patience=0.2)
        over.set()
    assert (sent.outcome, sent.size < sent.total) == ("unknown", True)
    assert sent.why.startswith("it took no more bytes, in '")


def test_a_source_that_asks_and_never_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers fill the socket: that must not be the end of everything else."""
    monkeypatch.setattr(incoming_channels, "ANSWERED", 0.2)
    opening = asking()[: vnetmig.load(asking()).sections[0].offset]
    with serving(tmp_path / "vm.qemu") as (where, served), source(where) as connected:
        with contextlib.suppress(OSError):
            connected.sendall(opening + Command(framing.PING, Ping(1)).encode() * 100_000)
        with pytest.raises(MigrationError, match="asks, and takes no answers"):
            served.result(30)


def test_a_destination_that_answers_nonsense(tmp_path: Path) -> None:
    def behave(connected: socket.socket) -> None:
        connected.sendall(b"\xff" * 40)
        swallow(connected)

    sent = outcome(tmp_path, behave)
    assert sent.outcome == "unknown"
    assert "answered what no destination answers" in sent.why


def test_as_it_is(tmp_path: Path) -> None:
    came = []
    sent = outcome(tmp_path, lambda connected: came.append(swallow(connected)), as_it_is=True)
    assert came == [sample_bytes()]
    assert (sent.outcome, sent.total) == ("unknown", len(sample_bytes()))


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    nobody = f"unix:{tmp_path}/nobody"
    with pytest.raises(StreamError):
        vnetmig.send(sample_bytes()[:-10_000], nobody)
    with pytest.raises(MigrationError, match="mapped-ram file"):
        vnetmig.send(stream_bytes("mapped-ram-fw-q111"), nobody)
    with pytest.raises(ChannelError, match="Failed to connect"):
        vnetmig.send(vnetmig.sample(), nobody)
    for address in ("file:/x", "nothing"):
        with pytest.raises(FieldError):
            vnetmig.send(vnetmig.sample(), address)


def test_json(tmp_path: Path) -> None:
    stream = tmp_path / "vm.qemu.xz"
    stream.write_bytes(vnetmig.sample())
    with serving(tmp_path / "there.qemu", then="resume") as (where, _):
        sent = run_json("send", stream, where, code=1)
    assert (sent["outcome"], sent["shut"]) == ("refused", 1)
    assert sent["bytes"] == sent["total"] == len(asking())
