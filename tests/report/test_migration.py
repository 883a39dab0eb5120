"""The downtime table from outcomes: statistics, the change between modes, and what went wrong."""

from __future__ import annotations

import pytest

from vnetmig.migration.comparison import Difference
from vnetmig.migration.run import MigrationOutcome
from vnetmig.migration.timeline import DeviceTimes, Statistics, Timeline
from vnetmig.report import text
from vnetmig.report.migration import change, complete, outcome_blocks, outcome_json, trace_lines


def outcome(mode: str, *loads: int, early: int | None = None, **options: object) -> MigrationOutcome:
    devices = [DeviceTimes(f"device{n}", 0, 100, 1000, ns) for n, ns in enumerate(loads)]
    if early is not None:
        devices.insert(0, DeviceTimes("net-iterative", 0, 50, 2000, early, early=True))
    timeline = Timeline(mode, "c", tuple(devices), stream_bytes=500)
    given = {"state": "done", "owner": "destination", **options}
    return MigrationOutcome(timeline=timeline, **given)  # type: ignore[arg-type]


OUTCOMES = {
    "stock": [outcome("stock", 10_000, 20_000), outcome("stock", 12_000, 22_000)],
    "iterative": [outcome("iterative", 5_000, 20_000, early=9_000), outcome("iterative", 7_000, 22_000, early=9_500)],
}


def lines(outcomes: dict[str, list[MigrationOutcome]]) -> list[str]:
    return list(text.plain(outcome_blocks(outcomes)))


def test_table() -> None:
    made = [line.split() for line in lines(OUTCOMES)]
    assert ["device0", "stock", "2", "1.0", "0.0", "0.0", "11.0", "2.0", "1.4"] in made
    assert ["device1", "iterative", "2", "1.0", "0.0", "0.0", "21.0", "2.0", "1.4"] in made
    assert ["all", "devices", "stock", "2", "2.0", "0.0", "0.0", "32.0", "8.0", "2.8"] in made
    assert ["net-iterative", "iterative", "2", "2.0", "0.0", "0.0", "9.2", "0.1", "0.4"] in made
    assert any("vnetmig's own source and destination, not of QEMU" in line for line in lines(OUTCOMES))


def test_many_devices_are_summed_up() -> None:
    many = {"stock": [outcome("stock", *range(1000, 31000, 1000)) for _ in range(2)]}
    shown = lines(many)
    assert any(line.startswith("18 other devices") for line in shown)
    assert "the 12 that take longest to load; --all shows all 30" in shown
    assert len(list(text.plain(outcome_blocks(many, everything=True)))) == len(shown) + 16


def test_change_between_modes() -> None:
    made = outcome_json(OUTCOMES)["changes"]
    assert isinstance(made, dict) and isinstance(made["iterative"], dict)
    assert made["iterative"]["difference"] == -5000
    assert made["iterative"]["t"] == pytest.approx(-5000 / (2 * 8e6 / 2) ** 0.5)
    single = change(Statistics.of([1.0]), Statistics.of([2.0]))
    assert (single.difference, single.error, single.t) == (1.0, None, None)


def test_one_run_has_no_variance() -> None:
    assert any(
        line.split()[:6] == ["device0", "stock", "1", "1.0", "-", "-"]
        for line in lines({"stock": [outcome("stock", 1000)]})
    )


def test_a_difference_is_said_and_counts() -> None:
    differences = (Difference("net", 0, "byte 0x7 is 0x01", 7),)
    failed = {
        "stock": [outcome("stock", 1), outcome("stock", 1, state="in doubt", owner="in-doubt", differences=differences)]
    }
    assert not complete(failed) and complete(OUTCOMES)
    shown = "\n".join(lines(failed))
    assert "FAILED: 1 of 2 runs" in shown and "net: byte 0x7 is 0x01" in shown


def test_an_error_is_said_with_the_owner() -> None:
    failed = {"stock": [outcome("stock", state="failed", owner="source", error="no\n  why\x1b")]}
    shown = lines(failed)
    assert any(line.strip() == "no" for line in shown) and any("why\\x1b" in line for line in shown)
    assert any("the machine now belongs to: source" in line for line in shown)


def test_trace_lines_of_both_sides() -> None:
    runs = {"stock": [outcome("stock", 1, source_trace=("a", "b"))]}
    assert list(trace_lines(runs)) == ["# run 1, stock, source", "a", "b", "# run 1, stock, destination"]
