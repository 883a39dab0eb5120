"""Downtimes in text: one arm, states that went while the guest ran, and the network beside them."""

from __future__ import annotations

from dataclasses import replace

from ping_output import HEAD, LOST, reply

import vnetmig
from traces import checkpoint, event
from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.report.chrome_trace import chrome_trace
from vnetmig.report.downtime_log import MOST_DARK, MOST_OUTLIERS, downtime_blocks
from vnetmig.report.json import pieces
from vnetmig.report.text import plain

QUIET = HEAD + "".join(reply(100 + k / 10, k) for k in range(1, 400))


def migration(at: float, took: int = 9) -> str:
    """One, of 50 ms, in a log of both sides."""
    return (
        checkpoint("src-downtime-start", f"1@{at:.6f}:")
        + checkpoint("src-vm-stopped", f"1@{at:.6f}:")
        + event("save", "cpu", 9, front=f"1@{at + 0.01:.6f}:")
        + checkpoint("src-iterable-saved", f"1@{at + 0.015:.6f}:")
        + checkpoint("src-non-iterable-saved", f"1@{at + 0.02:.6f}:")
        + event("load", "cpu", took, front=f"1@{at + 0.04:.6f}:")
        + checkpoint("dst-precopy-loadvm-completed", f"1@{at + 0.045:.6f}:")
        + checkpoint("dst-precopy-bh-vm-started", f"1@{at + 0.05:.6f}:")
    )


def found(*migrations: str, ping: str | None = None) -> Downtime:
    return vnetmig.downtime("".join(migrations).encode(), ping=None if ping is None else ping.encode())


def lines(told: Downtime) -> list[str]:
    return [" ".join(line.split()) for line in plain(downtime_blocks(told))]


def test_one_arm_needs_no_column_for_it() -> None:
    said = lines(found(*(migration(100 + n, 9 + n) for n in range(3))))
    assert "what n mean 95 % interval variance sigma median min max" in said
    assert any(line.startswith("cpu 3 10 ") for line in said)


def test_what_was_loaded_before_the_stop_is_said_to_be() -> None:
    said = lines(found(event("load", "tap", 7), event("load", "ram", 5, kind="iterable"), event("load", "cpu", 9)))
    assert "tap (guest still runs) 7" in said and "cpu 9" in said


def test_a_network_that_saw_nothing() -> None:
    said = lines(found(migration(105.0), ping=QUIET))
    assert "log #0 50.0 none seen - - 0" in said


def test_many_blackouts_are_cut_in_the_text() -> None:
    said = lines(found(*(migration(101.0 + n) for n in range(MOST_DARK + 2)), ping=QUIET))
    assert "2 more, in --json" in said and sum("none seen" in line for line in said) == MOST_DARK


def test_a_ping_of_another_time() -> None:
    assert any("cannot be laid beside them" in line for line in lines(found(migration(5000.0), ping=QUIET)))


def test_few_outliers_are_all_told() -> None:
    told = found(*(migration(100.0 + n, 5000 if n == 4 else 9 + n % 3) for n in range(12)))
    assert 0 < len(told.outliers) <= MOST_OUTLIERS
    said = lines(told)
    assert any(" 5000 " in line for line in said) and not any("more, in --json" in line for line in said)


def test_an_outage_is_in_the_trace_for_perfetto() -> None:
    made = "".join(pieces(chrome_trace(found(migration(100.6), ping=LOST))))
    assert '"network, as ping saw it"' in made and '"requests lost": 3' in made and '"dur": 400000' in made


def test_an_arm_that_has_nothing_to_compare_has_no_table() -> None:
    told = replace(found(migration(100.0)), arms=("all", "other"))
    assert not any("against" in line for line in lines(told))


def test_checkpoints_without_timestamps_are_not_in_the_trace() -> None:
    log = event("load", "cpu", 9)
    log += checkpoint("dst-precopy-loadvm-completed") + checkpoint("dst-precopy-bh-vm-started")
    made = "".join(pieces(chrome_trace(found(log))))
    assert '"load cpu"' in made and "dst-precopy-bh-vm-started" not in made
