"""Whole migrations over real sockets, between threads and between processes; and what a damaged byte does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from between import STREAMS, machine_of, sent_by, stream_of

from vnetmig.channel.opening import accept, connect, listen
from vnetmig.channel.socket_channel import SocketChannel
from vnetmig.errors import ChannelError, MigrationError
from vnetmig.migration.destination import Destination
from vnetmig.migration.machine import Machine
from vnetmig.migration.run import Channel, MigrationOutcome, send_migration, serve_incoming
from vnetmig.migration.source import Source
from vnetmig.stream.guest_memory import GuestMemory

FOLDER = STREAMS / "linux-user-1q-ping-q52"
NET = "0000:00:02.0/virtio-net"


@pytest.fixture
def where(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 'm.sock'}"


@contextmanager
def serving(where: str, serve: Callable[[SocketChannel], object] = serve_incoming) -> Iterator[str]:
    """A destination in a thread; gives the address to connect to."""
    with listen(where) as listener:

        def run() -> None:
            with listener.accept(20) as channel:
                serve(channel)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.address
        finally:
            thread.join(30)
            assert not thread.is_alive()


@pytest.mark.parametrize("mode", ["stock", "iterative"])
@pytest.mark.parametrize("address", ["unix", "tcp:127.0.0.1:0"])
def test_over_a_socket(where: str, address: str, mode: str) -> None:
    with serving(where if address == "unix" else address) as there, connect(there) as channel:
        outcome = send_migration(channel, machine_of(FOLDER), mode)
    assert outcome.completed, outcome.error
    assert (outcome.owner, outcome.differences) == ("destination", ())
    assert outcome.timeline.mode == mode
    assert len(outcome.source_trace) > len(outcome.destination_trace) > 30


def test_ring_pages_over_a_socket(where: str) -> None:
    folder = STREAMS / "linux-tap-4q-load-q72"
    memory = GuestMemory.from_json(folder / "rings.json.xz")
    with serving(where) as there, connect(there) as channel:
        outcome = send_migration(channel, machine_of(folder), "iterative", memory=memory)
    assert outcome.completed, outcome.error
    assert outcome.result is not None
    assert {s.rings for s in outcome.result.sections if s.idstr.endswith("/virtio-net")} == {()}


INCOMING = """
import sys
from vnetmig.channel.opening import accept
from vnetmig.migration.run import serve_incoming
with accept(sys.argv[1], timeout=20) as channel:
    serve_incoming(channel, sys.argv[2])
"""


@pytest.mark.parametrize("mode", ["stock", "iterative"])
def test_from_one_process_into_another(where: str, mode: str, engine: str) -> None:
    with subprocess.Popen([sys.executable, "-c", INCOMING, where, engine]) as process:
        with connect(where, timeout=20, patience=20) as channel:
            outcome = send_migration(channel, machine_of(STREAMS / "linux-multi-q72"), mode, engine=engine)
        assert process.wait(20) == 0
    assert outcome.completed, outcome.error
    assert outcome.result is not None and outcome.result.engine == engine
    downtime = outcome.timeline.downtime_ns
    assert downtime is not None and 0 < downtime < 20e9  # one clock for both processes


def test_a_destination_that_dies_in_the_middle(where: str) -> None:
    def die(channel: SocketChannel) -> None:
        channel.receive(1000)

    machine = machine_of(STREAMS / "rfc-user-1q")
    with serving(where, die) as there, connect(there) as channel:
        outcome = send_migration(channel, machine)
    assert not outcome.completed
    assert outcome.owner in ("source", "in-doubt")  # which one depends on how much the socket took
    assert outcome.error


def test_a_destination_that_dies_at_the_end(where: str) -> None:
    def swallow(channel: SocketChannel) -> None:
        while channel.receive(1 << 20):
            pass

    with serving(where, swallow) as there, connect(there) as channel:
        outcome = send_migration(channel, machine_of(FOLDER))
    assert (outcome.state, outcome.owner) == ("in doubt", "in-doubt")


def test_into_a_file_and_out_of_it(tmp_path: Path) -> None:
    with connect(f"file:{tmp_path / 'vm'}") as channel:
        outcome = send_migration(channel, machine_of(FOLDER), confirm=False)
    assert outcome.completed
    assert (tmp_path / "vm").read_bytes() == stream_of(FOLDER)
    with accept(f"file:{tmp_path / 'vm'}") as channel:
        destination = Destination()
        while data := channel.receive(1 << 16):
            destination.feed(data)
    destination.close()
    assert destination.error is None


def test_progress_counts_to_the_end(where: str) -> None:
    seen: list[int] = []
    with serving(where) as there, connect(there) as channel:
        outcome = send_migration(channel, machine_of(FOLDER), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == outcome.timeline.stream_bytes == len(stream_of(FOLDER))


class Flipping:
    """A channel that damages one byte of what it sends."""

    def __init__(self, inner: Channel, at: int, change: int) -> None:
        self._inner, self._at, self._change = inner, at, change
        self._sent = 0
        self.receive, self.ready, self.finish, self.close = inner.receive, inner.ready, inner.finish, inner.close

    def send(self, data: bytes) -> None:
        inside = self._at - self._sent
        self._sent += len(data)
        if 0 <= inside < len(data):
            damaged = bytearray(data)
            damaged[inside] ^= self._change
            data = bytes(damaged)
        self._inner.send(data)


def flipped(where: str, machine: Machine, mode: str, at: int, change: int = 0x10) -> MigrationOutcome:
    with serving(where) as there, connect(there) as channel:
        return send_migration(Flipping(channel, at, change), machine, mode)


@pytest.mark.parametrize("mode", ["stock", "iterative"])
def test_a_flipped_byte_anywhere_is_caught(where: str, mode: str) -> None:
    """Some of every part: framing, configuration, RAM, devices of every kind, vmdescription."""
    machine = machine_of(FOLDER)
    stream = sent_by(Source(machine, mode))
    for at in (*range(0, 60, 5), *range(60, len(stream), len(stream) // 120), len(stream) - 1):
        outcome = flipped(where, machine, mode, at)
        assert not outcome.completed, f"byte {at:#x}"
        assert outcome.owner != "destination"
        assert outcome.error


def payload_of(stream: bytes, idstr: str) -> int:
    """Where the FULL section of ``idstr`` has its payload."""
    return stream.rindex(bytes((len(idstr),)) + idstr.encode()) + 1 + len(idstr) + 8


@pytest.mark.parametrize("device", ["virtio", "vmdescription", "nothing"])
def test_the_damaged_device_is_named(where: str, device: str) -> None:
    """A value that loads as well as the right one: only saving it again shows what happened."""
    machine = machine_of(FOLDER if device != "nothing" else STREAMS / "proxy-postcopy-fw-q111")
    idstr = "timer" if device != "virtio" else NET
    found = next(d for d in machine.devices if d.idstr == idstr)
    assert found.described_by.value == device
    stream = sent_by(Source(machine))
    offset = 3 if device != "virtio" else found.save().rindex(bytes.fromhex("525400")) + 5  # in a MAC address
    outcome = flipped(where, machine, "stock", payload_of(stream, idstr) + offset)
    assert (outcome.state, outcome.owner) == ("in doubt", "in-doubt")
    assert [(d.idstr, d.offset) for d in outcome.differences] == [(idstr, offset)]
    assert f"{idstr}: byte {offset:#x} of" in str(outcome.error)


def test_a_damaged_early_state_is_named(where: str) -> None:
    machine = machine_of(FOLDER)
    stream = sent_by(Source(machine, "iterative"))
    idstr = f"{NET}-iterative"
    outcome = flipped(where, machine, "iterative", payload_of(stream, idstr) + 8 + 46000)
    assert [d.idstr for d in outcome.differences] == [idstr]


def test_a_damaged_page_is_noticed_though_no_device_differs(where: str) -> None:
    folder = STREAMS / "linux-tap-4q-load-q72"
    machine = machine_of(folder).with_memory(GuestMemory.from_json(folder / "rings.json.xz"))
    stream = sent_by(Source(machine))
    page = machine.recordings[0].parts[0]
    at = stream.index(page) + len(page) - 8 - 4096 // 2
    outcome = flipped(where, machine, "stock", at)
    assert not outcome.completed


def test_the_reason_of_a_failed_destination_reaches_the_source(where: str) -> None:
    machine = machine_of(FOLDER)
    outcome = flipped(where, machine, "stock", 0)
    assert (outcome.state, outcome.owner) == ("failed", "source")
    assert "Not a migration stream" in str(outcome.error)


def test_an_unknown_mode() -> None:
    with pytest.raises(MigrationError, match="there is: stock, iterative"):
        Source(machine_of(FOLDER), "warp")


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="Failed to connect to"):
        connect(f"unix:{tmp_path / 'nobody'}")
