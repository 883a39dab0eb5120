"""The tap backend on this machine's kernel: what it says it did is read back, and nothing is left behind."""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import select
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from network_namespace import bring_up, interfaces

from vnetmig.backend.choose import backend_named
from vnetmig.backend.ledger import Phase
from vnetmig.backend.states import State
from vnetmig.backend.tap import SINCE, TapBackend, TapQueue
from vnetmig.backend.tun import IFF_DETACH_QUEUE, IFF_TUN_EXCL, REQUESTS, TAP_FLAGS, Linux, TunQueue
from vnetmig.backend.work import TSO, Kind, NetWork, Offload
from vnetmig.errors import MigrationError

pytestmark = pytest.mark.usefixtures("namespace")

WORK = NetWork(queue_pairs=4, enabled_pairs=4, vnet_header_size=12, offloads=Offload.CSUM | TSO | Offload.UFO)
ETHERTYPE = 0x88B5  # IEEE 802, local experiments: nothing else here sends it
HEADER = bytes(12)
FRAME = bytes.fromhex("ffffffffffff 525400123456 88b5") + b"a frame".ljust(50, b".")
PATIENCE = 20  # seconds: only a broken kernel takes them


class Watched(Linux):
    """Counts ioctls by name, independently of the ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def ioctl(self, fd: int, request: int, argument: bytes | int) -> bytes | int:
        self.seen[next(name for name, number in REQUESTS.items() if number == request)] += 1
        return super().ioctl(fd, request, argument)


def descriptors() -> int:
    """Open ones of /dev/net/tun."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += os.readlink(link) == "/dev/net/tun"
    return found


def read_back(backend: TapBackend) -> list[tuple[str, bool, int, bool]]:
    """Of each queue: interface, attached, header size, header is little."""
    rows = []
    for queue in backend.queues:
        name, flags = queue.tun.interface()
        assert flags & TAP_FLAGS == TAP_FLAGS
        rows.append((name, not flags & IFF_DETACH_QUEUE, queue.tun.header_size(), queue.tun.header_is_little()))
    return rows


def test_prepare_sets_up_and_holds_back() -> None:
    with TapBackend("early%d") as backend:
        assert interfaces() == set()
        backend.prepare(WORK)
        assert interfaces() == {"early0"} == {backend.name}
        assert read_back(backend) == [("early0", False, 12, True)] * 4
        assert descriptors() == 4


def test_f20_commit_repeats_no_ioctl() -> None:
    system = Watched()
    with TapBackend(system=system) as backend:
        backend.prepare(WORK)
        assert system.seen["TUNSETIFF"] == system.seen["TUNSETVNETHDRSZ"] == 4
        system.seen.clear()
        backend.commit(WORK)
        assert system.seen == {"TUNSETQUEUE": 4}
        late = backend.ledger.totals(Phase.COMMIT)
        assert (late.items, late.calls, late.repeated) == (4, 4, 0)
        assert late.nanoseconds > 0
        assert read_back(backend) == [("vnet0", True, 12, True)] * 4


def test_commit_without_an_early_state_does_all() -> None:
    system = Watched()
    with TapBackend(system=system) as backend:
        backend.commit(WORK)
        assert system.seen["TUNSETIFF"] == 4
        assert read_back(backend) == [("vnet0", True, 12, True)] * 4


@pytest.mark.parametrize(
    ("changed", "ioctls", "attached"),
    [
        ({"offloads": Offload.CSUM}, {"TUNSETOFFLOAD": 1, "TUNSETQUEUE": 4}, [True] * 4),
        ({"enabled_pairs": 1}, {"TUNSETQUEUE": 1}, [True, False, False, False]),
        ({"enabled_pairs": 0}, {}, [False] * 4),
        ({"vnet_header_size": 20}, {"TUNSETVNETHDRSZ": 4, "TUNSETQUEUE": 4}, [True] * 4),
        ({"queue_pairs": 2, "enabled_pairs": 2}, {"TUNSETQUEUE": 2}, [True] * 2),
        (
            {"queue_pairs": 5},  # opened, detached as the others were, and left so
            {"TUNGETIFF": 1, "TUNSETIFF": 1, "TUNSETQUEUE": 5, "TUNSETVNETHDRSZ": 1, "TUNSETVNETLE": 1},
            [True] * 4 + [False],
        ),
    ],
)
def test_f20_commit_does_the_differences(changed: dict[str, int], ioctls: dict[str, int], attached: list[bool]) -> None:
    last = NetWork(**{**{name: getattr(WORK, name) for name in WORK.__slots__}, **changed})
    system = Watched()
    with TapBackend(system=system) as backend:
        backend.prepare(WORK)
        system.seen.clear()
        backend.commit(last)
        assert system.seen == ioctls
        assert backend.ledger.totals(Phase.COMMIT).repeated == 0
        assert read_back(backend) == [("vnet0", each, last.vnet_header_size, True) for each in attached]
        assert descriptors() == last.queue_pairs


@pytest.mark.parametrize("committed", [False, True])
def test_abort_leaves_nothing_and_may_be_followed(committed: bool) -> None:
    backend = TapBackend("again")
    backend.prepare(WORK)
    if committed:
        backend.commit(WORK)
    backend.abort()
    backend.abort()
    assert (interfaces(), descriptors(), backend.queues) == (set(), 0, ())
    backend.prepare(WORK)
    assert interfaces() == {"again"}
    assert backend.ledger.totals(Phase.PREPARE).repeated == 0
    backend.close()
    backend.close()
    assert (interfaces(), descriptors(), backend.state) == (set(), 0, State.CLOSED)


def test_a_failure_half_way_undoes_all() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    backend = TapBackend()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 5, hard))
    try:
        with pytest.raises(MigrationError, match=r"open failed: Too many open files\n.*ulimit -n"):
            backend.prepare(NetWork(queue_pairs=200))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(backend.ledger.items(Phase.PREPARE)) > 0
    assert (interfaces(), descriptors(), backend.state) == (set(), 0, State.IDLE)


def test_a_name_that_another_has() -> None:
    with TapBackend("taken") as first:
        first.commit(WORK)
        second = TapBackend("taken")
        with pytest.raises(MigrationError, match="'taken': TUNSETIFF failed: Device or resource busy"):
            second.prepare(WORK)
        assert read_back(first) == [("taken", True, 12, True)] * 4


def test_an_interface_that_root_made() -> None:
    """It is joined and left; it stays."""
    maker = TunQueue(Linux())
    maker.set_interface("kept", TAP_FLAGS | IFF_TUN_EXCL)
    tunsetpersist = REQUESTS["TUNSETIFF"] + 1
    fcntl.ioctl(maker.fd, tunsetpersist, 1)
    maker.close()
    with TapBackend("kept", existing=True) as backend:
        backend.prepare(WORK)
        assert read_back(backend) == [("kept", False, 12, True)] * 4
        backend.abort()
        assert (interfaces(), descriptors()) == ({"kept"}, 0)


@pytest.mark.parametrize(("offloads", "since"), SINCE)
def test_offloads_that_not_every_kernel_knows(offloads: Offload, since: str) -> None:
    known = [int(part) for part in since.split(".")] <= [
        int("".join(filter(str.isdigit, part))) for part in platform.release().split(".")[:2]
    ]
    work = NetWork(vnet_header_size=24, offloads=Offload.CSUM | TSO | offloads)
    with TapBackend() as backend:
        if known:
            backend.prepare(work)
            assert backend.ledger.items(Phase.PREPARE)[-1].value == work.offloads
        else:
            with pytest.raises(MigrationError, match=f"takes Linux {since}, this is "):
                backend.prepare(work)
            assert interfaces() == set()


@pytest.mark.parametrize("size", [10, 12, 20, 24])
def test_every_header_size(size: int) -> None:
    with TapBackend() as backend:
        backend.commit(NetWork(vnet_header_size=size))
        assert read_back(backend) == [("vnet0", True, size, True)]


def test_a_header_in_the_hosts_order_is_always_possible() -> None:
    with TapBackend() as backend:
        backend.commit(NetWork(vnet_header_order="little"))
        assert backend.queues[0].tun.header_is_little()
    if sys.byteorder == "big":
        with TapBackend() as backend:
            backend.commit(NetWork(vnet_header_order="big"))
            assert not backend.queues[0].tun.header_is_little()


def peer_of(backend: TapBackend) -> socket.socket:
    """The network's side: what it sends the queues receive, and the other way round."""
    assert backend.name
    bring_up(backend.name)
    peer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    peer.bind((backend.name, ETHERTYPE))
    peer.settimeout(PATIENCE)
    return peer


def received(queues: tuple[TapQueue, ...]) -> tuple[int, bytes]:
    """(pair, frame) of the first of our frames; the kernel's own (IPv6) are passed over."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        ready, _, _ = select.select(queues, [], [], PATIENCE)
        for queue in ready:
            frame = queue.receive()
            if frame and frame[len(HEADER) :].startswith(FRAME[:14]):
                return queue.pair, frame
    raise AssertionError("no frame came")


@pytest.mark.parametrize("enabled", [1, 3])
def test_frames_in_both_directions(enabled: int) -> None:
    with TapBackend() as backend:
        backend.prepare(WORK)
        backend.commit(NetWork(queue_pairs=4, enabled_pairs=enabled, offloads=WORK.offloads))
        with peer_of(backend) as peer:
            peer.send(FRAME)
            pair, frame = received(backend.queues[:enabled])
            assert pair < enabled
            assert frame[len(HEADER) :] == FRAME
            for queue in backend.queues[:enabled]:
                answer = FRAME + bytes([queue.pair])
                assert queue.send(HEADER + answer) is True
                assert peer.recv(2000) == answer
                assert queue.send(HEADER[:5]) is False  # no frame: dropped, not an error
            for queue in backend.queues[enabled:]:
                with pytest.raises(MigrationError, match="not enabled"):
                    queue.send(HEADER + FRAME)


def test_frames_before_the_switchover_go_nowhere() -> None:
    with TapBackend() as backend:
        backend.prepare(WORK)
        with peer_of(backend) as peer:
            with suppress(OSError):  # some kernels say that there is no queue
                peer.send(FRAME + b"early")
            with pytest.raises(MigrationError, match="not enabled"):
                backend.queues[0].send(HEADER + FRAME)
            backend.commit(WORK)
            peer.send(FRAME + b"late")
            _, frame = received(backend.queues)
            assert frame.endswith(b"late")


def test_an_interface_that_is_down_drops() -> None:
    with TapBackend() as backend:
        backend.commit(WORK)
        assert backend.queues[0].send(HEADER + FRAME) is False
        assert backend.queues[0].receive() is None


def test_chosen_by_name() -> None:
    chosen = backend_named("tap", name="mine%d", strict=True)
    assert chosen.shortfall is None
    chosen.backend.prepare(WORK)
    assert interfaces() == {"mine0"}
    assert [item.kind for item in chosen.backend.ledger.items(Phase.PREPARE)].count(Kind.OPEN) == 4
    chosen.backend.close()
