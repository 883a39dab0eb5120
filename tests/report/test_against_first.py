"""Differences against stock: whose they are, and how sure."""

from __future__ import annotations

import pytest
from runs import NET, delta_run, run, section, stock_run

from vnetmig.report import text
from vnetmig.report.against_first import against_blocks, against_first, single_devices, words
from vnetmig.report.measured import Measured

RUNS = {
    "stock": [stock_run(9000 + 10 * n, 400 + n % 3) for n in range(12)],
    "iterative-delta": [delta_run(3000 + 10 * n) for n in range(12)],
}


def test_each_group_and_each_device() -> None:
    measured = Measured.of(RUNS)
    net, others, everything = against_first(measured, measured.groups())
    assert net.found.difference == pytest.approx(-6000 + 30)
    assert net.adjusted is not None and net.adjusted < 1e-10 and net.paired is not None and net.paired < 0.001
    assert others.adjusted is not None and others.found.difference == pytest.approx(-1)
    assert everything.found.difference == pytest.approx(net.found.difference + others.found.difference)
    assert [row.devices for row in single_devices(measured)] == [NET, "vga"]


def test_holm_is_over_all_that_stand_together() -> None:
    measured = Measured.of({**RUNS, "early": [delta_run(9000 + 10 * n) for n in range(12)]})
    rows = against_first(measured, measured.groups())
    assert all(row.adjusted >= row.found.p for row in rows if row.found.p is not None and row.adjusted is not None)
    assert rows[0].adjusted > rows[0].found.p  # type: ignore[operator]


def test_in_words() -> None:
    (said,) = words(Measured.of(RUNS)).values()
    assert said[0].startswith("virtio-net, iterative-delta against stock: faster by")
    assert said[-1] == "virtio-net sent 108 bytes with the guest stopped, 0.22 % of stock's 50000."
    assert "downtime against stock" in next(text.plain(against_blocks(Measured.of(RUNS))))


def test_one_mode_is_compared_with_nothing() -> None:
    alone = Measured.of({"stock": RUNS["stock"]})
    assert not list(against_blocks(alone)) and not words(alone)


def test_other_numbers_of_runs_are_not_paired() -> None:
    measured = Measured.of({**RUNS, "stock": RUNS["stock"][:9]})
    assert all(row.paired is None and row.found.p is not None for row in against_first(measured, measured.groups()))


def test_without_a_net_nothing_is_said_in_words() -> None:
    runs = {mode: [run(mode, section("vga", 100 + n)) for n in range(3)] for mode in ("stock", "early")}
    assert not words(Measured.of(runs))
    assert "what that means" not in list(text.plain(against_blocks(Measured.of(runs))))


def test_no_share_of_nothing() -> None:
    runs = {"stock": [run("stock", section("vga", 400 + n)) for n in range(3)], "early": [stock_run(90)] * 3}
    (said,) = words(Measured.of(runs)).values()
    assert said and not any("bytes with the guest stopped" in line for line in said)
