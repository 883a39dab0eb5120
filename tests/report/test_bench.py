"""What is measured is measured in turns, a slow call less often; a floor that is none is caught."""

from __future__ import annotations

import pytest

from vnetmig.report import bench
from vnetmig.report.bench import ROUNDS
from vnetmig.report.floor import Candidate, _check


def test_a_call_beyond_its_budget_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "BUDGET_NS", -1)
    monkeypatch.setattr(bench, "SLOT_NS", 1)
    timed: list[object] = []
    monkeypatch.setattr(bench, "_timed", lambda call, often: timed.append(call) or 7.0)
    rounds: list[int] = []
    assert bench._interleaved([Candidate("x", bytes, bytes)], rounds.append) == ([7.0], [7.0], ROUNDS)
    assert len(timed) == 4, "two to see how long they take, two that count"
    assert rounds == list(range(1, ROUNDS + 1))


def test_a_floor_with_other_bytes_is_none() -> None:
    with pytest.raises(AssertionError, match="struct gives other bytes"):
        _check("struct", b"a", b"b")
