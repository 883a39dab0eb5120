"""Stages and ledger, on the backend that does nothing else."""

from __future__ import annotations

import pytest

import vnetmig.backend.staged
from vnetmig.backend.ledger import Ledger, Phase, Totals
from vnetmig.backend.null import NullBackend
from vnetmig.backend.states import TRANSITIONS, State, Turn
from vnetmig.backend.work import Kind, NetWork, Offload, work_items
from vnetmig.errors import FieldError, MigrationError

WORK = NetWork(queue_pairs=4, enabled_pairs=3)


def take(backend: NullBackend, turn: Turn) -> None:
    {
        Turn.PREPARE: lambda: backend.prepare(WORK),
        Turn.COMMIT: lambda: backend.commit(WORK),
        Turn.ABORT: backend.abort,
        Turn.CLOSE: backend.close,
    }[turn]()


WAYS = {
    State.IDLE: (),
    State.PREPARED: (Turn.PREPARE,),
    State.COMMITTED: (Turn.COMMIT,),
    State.ABORTED: (Turn.PREPARE, Turn.ABORT),
    State.CLOSED: (Turn.CLOSE,),
}


@pytest.mark.parametrize("turn", Turn)
@pytest.mark.parametrize("state", State)
def test_every_turn_in_every_state(state: State, turn: Turn) -> None:
    backend = NullBackend()
    for step in WAYS[state]:
        take(backend, step)
    assert backend.state is state
    queues = len(backend.queues)
    if (state, turn) in TRANSITIONS:
        take(backend, turn)
        assert backend.state is TRANSITIONS[state, turn]
        assert len(backend.queues) == (0 if turn in (Turn.ABORT, Turn.CLOSE) else 4)
    else:
        with pytest.raises(MigrationError, match=f"cannot {turn.value} now\n.*it is {state.value}"):
            take(backend, turn)
        assert (backend.state, len(backend.queues)) == (state, queues)


def test_f20_the_last_state_repeats_nothing() -> None:
    with NullBackend() as backend:
        backend.prepare(WORK)
        assert backend.ledger.items(Phase.PREPARE) == work_items(WORK.held())
        backend.commit(WORK)
        assert [item.kind for item in backend.ledger.items(Phase.COMMIT)] == [Kind.ENABLE] * 3
        assert backend.ledger.totals(Phase.COMMIT).repeated == 0


def test_f20_only_what_changed_is_done_at_the_end() -> None:
    with NullBackend() as backend:
        backend.prepare(WORK)
        backend.prepare(NetWork(queue_pairs=4, enabled_pairs=3, offloads=Offload.CSUM))
        assert len(backend.ledger.items(Phase.PREPARE)) == len(work_items(WORK.held())) + 1
        backend.commit(NetWork(queue_pairs=2, enabled_pairs=1, offloads=Offload.CSUM))
        assert [(item.kind, item.pair, item.value) for item in backend.ledger.items(Phase.COMMIT)] == [
            (Kind.ENABLE, 0, True),
            (Kind.OPEN, 3, False),
            (Kind.OPEN, 2, False),
        ]


def test_without_an_early_state_all_is_done_at_the_end() -> None:
    with NullBackend() as backend:
        backend.commit(WORK)
        assert backend.ledger.items(Phase.COMMIT) == work_items(WORK)
        assert backend.ledger.totals(Phase.PREPARE) == Totals(0, 0, 0, 0, 0)


def test_the_ledger_sees_work_that_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vnetmig.backend.staged, "differences", lambda done, wanted: tuple(wanted))
    backend = NullBackend()
    backend.prepare(WORK)
    assert backend.ledger.totals(Phase.PREPARE).repeated == 0
    backend.commit(WORK)
    assert backend.ledger.totals(Phase.COMMIT).repeated == len(work_items(WORK.held()))


def test_work_after_an_abort_is_not_repeated_work() -> None:
    backend = NullBackend()
    backend.prepare(WORK)
    backend.abort()
    backend.prepare(WORK)
    assert backend.ledger.totals(Phase.PREPARE).repeated == 0
    assert backend.ledger.totals(Phase.PREPARE).items == 2 * len(work_items(WORK.held()))
    assert len(backend.ledger.items(Phase.UNDO)) == 4


def test_simulated_costs_are_counted_and_labelled() -> None:
    backend = NullBackend(cost={Kind.OPEN: 250.0, Kind.ENABLE: 0.5})
    backend.prepare(WORK)
    backend.commit(WORK)
    early, late = backend.ledger.totals(Phase.PREPARE), backend.ledger.totals(Phase.COMMIT)
    assert (early.simulated, late.simulated) == (1_000_000, 1_500)
    assert early.nanoseconds > early.simulated  # the clock's part is in it too
    assert early.calls == late.calls == 0


def test_simulated_costs_that_pass_are_not_counted_twice() -> None:
    backend = NullBackend(cost={Kind.OPEN: 200.0}, wait=True)
    backend.prepare(NetWork())
    opened = next(iter(backend.ledger))
    assert opened.simulated == 200_000
    assert opened.nanoseconds >= opened.simulated


def test_a_cost_below_nothing() -> None:
    with pytest.raises(FieldError, match="microseconds of 0 and more"):
        NullBackend(cost={Kind.OPEN: -1.0})


def test_queues_carry_nothing_and_only_once_enabled() -> None:
    backend = NullBackend()
    backend.prepare(WORK)
    for queue in backend.queues:
        with pytest.raises(MigrationError, match="not enabled\n  commit enables it"):
            queue.send(b"frame")
        with pytest.raises(MigrationError, match="not enabled"):
            queue.receive()
    backend.commit(WORK)
    first, *_, last = backend.queues
    assert first.send(b"frame") is False
    assert first.receive() is None
    with pytest.raises(MigrationError, match="queue pair 3"):
        last.send(b"frame")
    backend.abort()
    with pytest.raises(MigrationError, match="queue pair 0"):
        first.send(b"frame")


def test_an_empty_ledger() -> None:
    assert list(Ledger()) == []
