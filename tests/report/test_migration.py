"""The whole report from runs: tables, verdicts, trace lines."""

from __future__ import annotations

from runs import delta_run, run, section, stock_run

from vnetmig.migration.comparison import Difference
from vnetmig.report import text
from vnetmig.report.migration import run_blocks, trace_lines
from vnetmig.report.run import Runs

RUNS = {"stock": [stock_run(10_000), stock_run(12_000)], "iterative-delta": [delta_run(5_000), delta_run(7_000)]}
WIDTH = 120


def lines(runs: Runs, *, everything: bool = False) -> list[str]:
    return list(text.plain(run_blocks(runs, everything=everything)))


def test_tables() -> None:
    made = [line.split() for line in lines(RUNS)]
    assert ["stock", "2", "1.0", "11.0", "12.0", "2.0", "1.4", "-0.7", "..", "24.7", "50000", "0"] in made
    assert ["iterative-delta", "9000", "9.0"] not in made
    assert any("vnetmig's own source and destination, not of QEMU" in line for line in lines(RUNS))


def test_tables_fit_a_terminal() -> None:
    """Sentences wrap, tables do not."""
    shown = lines(RUNS)
    start = shown.index("what that means")
    end = shown.index("", start)
    assert max(map(len, shown[:start] + shown[end:])) <= WIDTH


def test_many_devices_are_summed_up() -> None:
    many = {"stock": [run("stock", *(section(f"device{n}", 1000 * n) for n in range(30))) for _ in range(2)]}
    shown = lines(many)
    assert any(line.startswith("20 more ") for line in shown)
    assert any("--all shows every one of 30" in line for line in shown)
    assert "device3" not in shown
    assert "device3" in lines(many, everything=True)


def test_one_run_has_no_variance() -> None:
    shown = [line.split() for line in lines({"stock": [stock_run(1000)]})]
    assert ["stock", "1", "1.0", "1.0", "2.0", "-", "-", "-", "50000", "0"] in shown


def test_a_difference_is_said_and_counts() -> None:
    differences = (Difference("net", 0, "byte 0x7 is 0x01", 7),)
    shown = "\n".join(lines({"stock": [stock_run(1), run("stock", state="in doubt", differences=differences)]}))
    assert "FAILED: 1 of 2 runs" in shown and "net: byte 0x7 is 0x01" in shown


def test_an_error_is_said_with_the_owner() -> None:
    shown = lines({"stock": [run("stock", state="failed", owner="source", error="no\n  why\x1b")]})
    assert any(line.strip() == "no" for line in shown) and any("why\\x1b" in line for line in shown)
    assert any("the machine now belongs to: source" in line for line in shown)


def test_a_destination_that_said_nothing_fails_the_run() -> None:
    shown = "\n".join(lines({"stock": [run("stock", unheard="the destination process said nothing")]}))
    assert "FAILED: 0 of 1 runs" in shown and "said nothing" in shown


def test_trace_lines_of_both_sides() -> None:
    runs = {"stock": [run("stock", source_trace=("a", "b"))]}
    assert list(trace_lines(runs)) == ["# run 1, stock, source", "a", "b", "# run 1, stock, destination"]


def test_traces_of_modes_that_ran_less_often() -> None:
    told = list(trace_lines({"stock": [stock_run(1), stock_run(1)], "early": [delta_run(1)]}))
    assert "# run 1, early, source" in told and "# run 2, stock, source" in told
    assert "# run 2, early, source" not in told
