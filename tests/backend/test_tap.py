"""The tap backend on a kernel that fails when it is told to: everything or nothing, and no leaked descriptor."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fake_tun import FakeLinux
from hypothesis import given
from hypothesis import strategies as st
from test_work import works

from vnetmig.backend.ledger import Phase
from vnetmig.backend.states import State
from vnetmig.backend.tap import TapBackend
from vnetmig.backend.work import USO, NetWork, Offload
from vnetmig.errors import MigrationError

WORK = NetWork(queue_pairs=3, enabled_pairs=2, offloads=Offload.CSUM | Offload.TSO4)
LATER = NetWork(queue_pairs=4, enabled_pairs=4, vnet_header_size=20, offloads=Offload.CSUM)


@pytest.fixture
def linux() -> Iterator[FakeLinux]:
    fake = FakeLinux()
    yield fake
    assert not fake.of, "descriptors are left"


def test_the_calls_in_order(linux: FakeLinux) -> None:
    with TapBackend(system=linux) as backend:
        backend.prepare(WORK)
        assert linux.log == [
            *("open", "TUNSETIFF", "TUNSETQUEUE"),
            *("TUNGETIFF", "open", "TUNSETIFF", "TUNSETQUEUE") * 2,
            *("TUNSETVNETHDRSZ",) * 3,
            *("TUNSETVNETLE",) * 3,
            "TUNSETOFFLOAD",
        ]
        early = backend.ledger.totals(Phase.PREPARE)
        assert (early.calls, early.items) == (18, 10)
        backend.commit(WORK)
        assert linux.log[18:] == ["TUNSETQUEUE"] * 2
        late = backend.ledger.totals(Phase.COMMIT)
        assert (late.calls, late.items, late.repeated) == (2, 2, 0)
        assert backend.name == "vnet0"


def test_the_interface_is_the_same_with_and_without_an_early_state(linux: FakeLinux) -> None:
    with TapBackend(system=linux) as early:
        early.prepare(LATER)
        early.prepare(WORK)
        early.commit(LATER)
        expected = linux.snapshot()
    with TapBackend(system=linux) as stock:
        stock.commit(LATER)
        assert linux.snapshot() == expected == {"vnet0": (20, True, 0x1, [True] * 4)}


@pytest.mark.parametrize("early", [None, WORK.held(), LATER])
@pytest.mark.parametrize("stage", ["prepare", "commit"])
def test_every_call_may_fail(linux: FakeLinux, early: NetWork | None, stage: str) -> None:
    """A failed stage changes nothing: neither the kernel's state nor the backend's, and then it works."""
    backend = TapBackend(system=linux)
    if early:
        backend.prepare(early)
    state, before = backend.state, linux.snapshot()
    failures = 0
    for ahead in range(100):
        linux.fail(ahead)
        start = len(linux.log)
        try:
            getattr(backend, stage)(WORK)
            break
        except MigrationError:
            failures += 1
        assert (backend.state, linux.snapshot()) == (state, before)
        assert len(backend.queues) == len(linux.of)
    assert failures == sum(call != "close" for call in linux.log[start:])
    assert backend.state is {"prepare": State.PREPARED, "commit": State.COMMITTED}[stage]
    backend.close()


@pytest.mark.parametrize("stage", ["prepare", "commit"])
def test_what_cannot_be_undone_is_given_back(linux: FakeLinux, stage: str) -> None:
    backend = TapBackend(system=linux)
    backend.prepare(WORK)
    linux.fail(3, for_good=True)
    with pytest.raises(MigrationError) as caught:
        getattr(backend, stage)(replace(LATER, queue_pairs=3, enabled_pairs=3))
    assert "could not be undone" in str(caught.value)
    assert "prepare it again" in str(caught.value)
    assert backend.state is State.ABORTED
    assert linux.snapshot() == {}
    assert not linux.of
    linux.fail(-1)
    backend.prepare(WORK)
    assert backend.state is State.PREPARED
    backend.close()


@given(st.lists(st.tuples(works(), st.integers(0, 40)), min_size=1, max_size=5), works(), st.data())
def test_any_history_with_any_failures(steps: list[tuple[NetWork, int]], last: NetWork, data: st.DataObject) -> None:
    linux = FakeLinux()
    linux.crosses_endian = True
    with TapBackend(system=linux) as backend:
        for work, ahead in steps:
            before = linux.snapshot()
            linux.fail(ahead)
            try:
                backend.prepare(work)
            except MigrationError:
                assert linux.snapshot() == before
            linux.fail(-1)
            if data.draw(st.booleans()):
                backend.abort()
                assert linux.snapshot() == {}
        backend.commit(last)
        assert backend.ledger.totals(Phase.COMMIT).repeated == 0
        reached = linux.snapshot()
    assert not linux.of
    with TapBackend(system=linux) as stock:
        stock.commit(last)
        assert linux.snapshot() == reached


def test_a_name_that_is_taken(linux: FakeLinux) -> None:
    with TapBackend("mine", system=linux) as first:
        first.commit(NetWork())
        second = TapBackend("mine", system=linux)
        with pytest.raises(MigrationError) as caught:
            second.prepare(NetWork())
        assert "tap 'mine': TUNSETIFF failed: Device or resource busy\n  an interface of this name exists" in str(
            caught.value
        )
        third = TapBackend("mine", existing=True, system=linux)
        third.commit(NetWork())
        assert linux.snapshot() == {"mine": (12, True, 0, [True, True])}
        third.close()


def test_an_interface_that_was_deleted(linux: FakeLinux) -> None:
    backend = TapBackend(system=linux)
    backend.prepare(WORK)
    linux.interfaces.clear()
    with pytest.raises(MigrationError, match=r"TUNSETQUEUE failed: .*\n  somebody deleted the interface"):
        backend.commit(WORK)
    assert backend.state is State.PREPARED
    backend.abort()
    assert backend.state is State.ABORTED


def test_ufo_is_left_out_where_it_is_refused(linux: FakeLinux) -> None:
    linux.refused_offloads = Offload.UFO.value
    with TapBackend(system=linux) as backend:
        backend.prepare(NetWork(offloads=Offload.CSUM | Offload.TSO4 | Offload.UFO))
        assert linux.interfaces["vnet0"].offloads == (Offload.CSUM | Offload.TSO4).value
        assert linux.log.count("TUNSETOFFLOAD") == 2
        assert list(backend.ledger)[-1].calls == 2


def test_another_failure_is_not_taken_for_a_refusal(linux: FakeLinux) -> None:
    linux.fail(5)
    with pytest.raises(MigrationError, match="TUNSETOFFLOAD failed: Input/output error"):
        TapBackend(system=linux).prepare(NetWork(offloads=Offload.CSUM | Offload.UFO))


@pytest.mark.parametrize(
    ("offloads", "refused", "says"),
    [
        (USO, USO, "takes Linux 6.2, this is "),
        (USO | Offload.UFO, USO, "takes Linux 6.2, this is "),
        (Offload.TSO4 | Offload.UDP_TUNNEL_GSO, Offload.UDP_TUNNEL_GSO, "UDP_TUNNEL_GSO takes Linux 6.17, this is "),
        (Offload.TSO4, Offload.TSO4, "TUNSETOFFLOAD failed: Invalid argument"),
    ],
)
def test_offloads_that_the_kernel_does_not_know(
    linux: FakeLinux, offloads: Offload, refused: Offload, says: str
) -> None:
    linux.refused_offloads = refused.value
    backend = TapBackend(system=linux)
    with pytest.raises(MigrationError) as caught:
        backend.prepare(NetWork(offloads=Offload.CSUM | offloads))
    assert says in str(caught.value)
    assert (backend.state, linux.snapshot()) == (State.IDLE, {})


def test_a_big_header_on_a_little_host(linux: FakeLinux, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vnetmig.backend.tap.sys.byteorder", "little")
    backend = TapBackend(system=linux)
    backend.prepare(NetWork())
    with pytest.raises(MigrationError, match=r"TUNSETVNETBE failed: .*\n.*TUN_VNET_CROSS_LE"):
        backend.commit(NetWork(vnet_header_order="big"))
    assert linux.interfaces["vnet0"].little
    linux.crosses_endian = True
    backend.commit(NetWork(vnet_header_order="big"))
    assert (linux.interfaces["vnet0"].big, linux.interfaces["vnet0"].little) == (True, False)
    backend.close()


def test_more_pairs_than_a_tap_has(linux: FakeLinux) -> None:
    backend = TapBackend(system=linux)
    for stage in (backend.prepare, backend.commit):
        with pytest.raises(MigrationError, match="at most 256 queue pairs, got 257"):
            stage(NetWork(queue_pairs=257))
    assert not linux.log


def test_frames(linux: FakeLinux) -> None:
    with TapBackend(system=linux) as backend:
        backend.prepare(WORK)
        queue = backend.queues[0]
        peer = linux.peers[queue.fileno()]
        with pytest.raises(MigrationError, match="queue pair 0 of tap 'vnet0' is not enabled"):
            queue.send(b"early")
        backend.commit(WORK)
        assert queue.receive() is None
        peer.send(b"for the guest")
        assert queue.receive() == b"for the guest"
        assert queue.send(b"from the guest") is True
        assert peer.recv(100) == b"from the guest"
        with pytest.raises(MigrationError, match="queue pair 2"):
            backend.queues[2].receive()
        while queue.send(bytes(1000)):
            pass  # until the queue is full
        peer.close()
        with pytest.raises(MigrationError, match="queue pair 0: write failed"):
            queue.send(b"nobody is there")


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENOENT, errno.EACCES])
def test_a_device_that_cannot_be_opened(linux: FakeLinux, error: int) -> None:
    linux.error = error
    linux.fail(0)
    with pytest.raises(MigrationError) as caught:
        TapBackend(system=linux).prepare(WORK)
    first, hint = str(caught.value).split("\n")
    assert first == f"/dev/net/tun: open failed: {os.strerror(error)}"
    assert len(hint) > 20


def test_a_queue_that_cannot_be_read(linux: FakeLinux) -> None:
    with TapBackend(system=linux) as backend:
        backend.commit(WORK)
        folder = os.open("/", os.O_RDONLY)
        os.dup2(folder, backend.queues[0].tun.fd)
        os.close(folder)
        with pytest.raises(MigrationError, match="tap 'vnet0', queue pair 0: read failed: Is a directory"):
            backend.queues[0].receive()


def test_an_interrupt_between_a_call_and_its_record_leaks_nothing(
    linux: FakeLinux, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(entry: object) -> None:
        raise KeyboardInterrupt

    backend = TapBackend(system=linux)
    monkeypatch.setattr(backend.ledger, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.prepare(WORK)
    assert linux.of
    backend.close()
