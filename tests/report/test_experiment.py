"""What a measured comparison prints at its end."""

from __future__ import annotations

from vnetmig.report.experiment import experiment_blocks
from vnetmig.report.text import plain


def test_each_arm_and_what_failed() -> None:
    runs = [{"on": False, "downtime_ms": 8}, {"on": False, "downtime_ms": 10}, {"on": True, "downtime_ms": None}]
    failures = [{"k": 3, "attempt": 1, "reason": "the guest died"}]
    lines = [" ".join(line.split()) for line in plain(experiment_blocks(runs, ("A: plain", "B: x=on"), 2, failures))]
    assert "A: plain 2 9 8 10" in lines and "B: x=on 0" in lines
    assert lines[-2:] == ["2 of the migrations were there already", "run 3, attempt 1: the guest died"]


def test_nothing_to_add() -> None:
    assert len(experiment_blocks([], ("A", "B"), 0, [])) == 1
