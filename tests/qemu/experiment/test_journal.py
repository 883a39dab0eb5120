"""The folder of an experiment: what a later call finds of it, whatever became of the earlier one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vnetmig.errors import FieldError
from vnetmig.qemu.experiment.arm import Arm
from vnetmig.qemu.experiment.journal import Journal
from vnetmig.qemu.experiment.plan import Plan

PLAN = Plan(on=Arm(smp=2, capabilities=(("multifd", True),)), migrations=3)


def run(number: int) -> dict[str, Any]:
    return {"k": number, "on": PLAN.order[number], "downtime_ms": number}


def written(folder: Path, runs: int) -> Path:
    with Journal(folder, PLAN) as journal:
        for number in range(runs):
            journal.done(run(number))
    return folder / "run-runs.jsonl"


def test_what_was_done_is_there_later(tmp_path: Path) -> None:
    written(tmp_path, 3)
    with Journal(tmp_path, PLAN) as journal:
        assert journal.runs == [run(0), run(1), run(2)]
        journal.done(run(3))
    with Journal(tmp_path, PLAN) as journal:
        assert len(journal.runs) == 4


def test_a_line_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, 2)
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[1]) + 1):
        path.write_bytes(whole[:-cut])
        with Journal(tmp_path, PLAN) as journal:
            assert journal.runs == [run(0)]
            journal.done(run(1))
        assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"\xff", b"[" * 100_000, json.dumps(run(1) | {"on": not PLAN.order[1]}).encode()]
)
def test_lines_of_another_plan_are_refused(tmp_path: Path, line: bytes) -> None:
    path = written(tmp_path, 1)
    before = path.read_bytes() + line + b"\n"
    path.write_bytes(before)
    with pytest.raises(FieldError) as refused, Journal(tmp_path, PLAN):
        pass
    assert "line 2 is not run 1 of this plan" in str(refused.value)
    assert path.read_bytes() == before


def test_another_plan_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    written(tmp_path, 1)
    with pytest.raises(FieldError) as refused, Journal(tmp_path, replace(PLAN, seed=2, memory=64)):
        pass
    assert "it differs in memory, seed" in str(refused.value)
    with Journal(tmp_path, replace(PLAN, seed=2, name="other")) as journal:
        assert journal.runs == []


def test_a_plan_that_came_to_nothing_is_no_obstacle(tmp_path: Path) -> None:
    written(tmp_path, 0)
    better = replace(PLAN, seed=2)
    with Journal(tmp_path, better) as journal:
        journal.done(run(0) | {"on": better.order[0]})
    with pytest.raises(FieldError), Journal(tmp_path, PLAN):
        pass


def test_runs_without_a_plan_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run-runs.jsonl").write_text("{}\n")
    with pytest.raises(FieldError) as refused, Journal(tmp_path, PLAN):
        pass
    assert "runs without their plan" in str(refused.value)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, PLAN), pytest.raises(FieldError) as refused, Journal(tmp_path, PLAN):
        pass
    assert "another process is at this experiment" in str(refused.value)


def test_no_log_is_used_twice(tmp_path: Path) -> None:
    with Journal(tmp_path, PLAN) as journal:
        assert [journal.next_process() for _ in range(2)] == ["run-proc000", "run-proc001"]
    (tmp_path / "run-proc041.log").touch()
    (tmp_path / "other-proc099.log").touch()
    with Journal(tmp_path, PLAN) as journal:
        assert journal.next_process() == "run-proc042"
