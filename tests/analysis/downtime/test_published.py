"""Figures that others computed from the same logs come out alike: every mean, variance, sigma, median and n."""

from __future__ import annotations

import json
import math
import statistics
from functools import lru_cache
from pathlib import Path

import pytest
from thread_table import TABLE

import vnetmig
from traces import NO_CAPTURES, TRACES, event, published, shared, table, unpacked
from vnetmig.analysis.downtime.compared import Against
from vnetmig.analysis.downtime.downtime import Downtime, downtime
from vnetmig.analysis.downtime.words import verdict

NAMES = {
    "load all devices (total, incl. iterative net)": ("all devices", "load"),
    "save all devices (total, incl. iterative net)": ("all devices", "save"),
    "load+save, all devices": ("load + save", ""),
    "wall: RAM saved -> destination loaded": ("RAM saved -> destination loaded", ""),
    "wall: RAM saved -> guest runs on destination": ("RAM saved -> guest runs", ""),
    "wall: src-downtime-start -> guest runs (whole downtime)": ("whole downtime", ""),
}
CHAINS = [pytest.param(TRACES / name, id=name) for name in ("q100-1q-fwkvm", "q111-1qs4")]
SHARED = [pytest.param(path, id=f"shared-{path.name}") for path in shared("traces/*/table.json")] or [
    pytest.param(None, id="shared", marks=pytest.mark.skip(reason=NO_CAPTURES))
]
EXPERIMENTS = [(series, title) for series in (None, "1qB") for title in [series or "pooled"]]

MONTE_CARLO = 4
"""Standard errors of (k + 1) / (N + 1) that two runs of the same test may lie apart."""


@lru_cache(maxsize=2)
def experiment(series: str | None) -> Downtime:
    return downtime(runs=[unpacked("rfc-1q")], series=series)


def tables_of(series: str | None, text: str) -> dict[str, list[str]]:
    pooled, quiet = published(text).values()
    return quiet if series else pooled


def row_of(found: Downtime, name: str) -> Against:
    side, _, device = name.partition(" ")
    return found.row(*NAMES.get(name, (device, side)))


@pytest.mark.parametrize(("series", "title"), EXPERIMENTS)
def test_every_row_of_the_experiments_tables(series: str | None, title: str) -> None:
    rows = tables_of(series, (TRACES / "rfc-1q.md").read_text())
    assert len(rows) == 20
    for name, cells in rows.items():
        compared = row_of(experiment(series), name).welch
        printed = [f"{getattr(of, value):.0f}" for of in (compared.before, compared.after) for value in COLUMNS]
        assert printed == cells[:8], name
        assert f"{compared.difference:+.0f}" == cells[8], name
        assert f"{compared.t:+.1f}, {compared.p:.2g}" == cells[9], name


COLUMNS = ("mean", "variance", "sigma", "median")


@pytest.mark.parametrize(("series", "title"), EXPERIMENTS)
def test_p_by_signs_within_monte_carlo_error_and_by_ranks_but_for_ties(series: str | None, title: str) -> None:
    """The tables' normal approximation of Wilcoxon's test leaves ties out, which makes p larger by a few per cent."""
    for name, cells in tables_of(series, (TRACES / "rfc-1q.md").read_text()).items():
        row = row_of(experiment(series), name)
        signs, ranks = float(cells[10]), float(cells[11])
        assert row.sign_flip is not None
        error = math.sqrt(2 * max(signs, 1e-4) * (1 - signs) / 9999)
        assert abs(row.sign_flip - signs) <= MONTE_CARLO * error + 0.005 * signs, name
        assert row.wilcoxon == pytest.approx(ranks, rel=0.09), name


def test_the_first_block_of_each_series_is_left_out() -> None:
    found = experiment(None)
    assert [hop.name for hop in found.left_out] == ["1q #0", "1q #1", "1qB #0", "1qB #1"]
    assert {arm: sum(hop.arm == arm for hop in found.hops) for arm in found.arms} == {"off": 108, "on": 108}
    assert found.row("all devices", "load").pairs == 108
    assert downtime(runs=[unpacked("rfc-1q")], warm_up=0).left_out == ()


@pytest.mark.parametrize("folder", [*CHAINS, *SHARED])
def test_every_row_of_a_chains_table(folder: Path) -> None:
    if not folder.is_dir():
        folder = unpacked(folder.name)
    found = downtime(runs=[folder])
    rows = table(folder)
    assert len(rows) > 80
    for row in rows:
        same = [
            quantity
            for quantity in found.quantities
            if quantity.entry is not None
            and (quantity.side, quantity.entry.kind, quantity.entry.idstr, quantity.entry.instance_id)
            == (row["dir"], row["type"], row["idstr"], row["instance"])
        ]
        assert len(same) == 1, row["idstr"]
        values = list(same[0].samples[folder.name].values)
        assert values == row["samples_us"]
        assert len(values) == row["n"]
        assert statistics.mean(values) / 1e3 == row["mean_ms"]
        assert statistics.variance(values) / 1e6 == row["var_ms2"]
        assert statistics.stdev(values) / 1e3 == row["sd_ms"]
    assert len([quantity for quantity in found.quantities if quantity.entry is not None]) == len(rows)
    told = json.loads((folder / "query-migrate.json").read_text())
    assert list(found.quantity("downtime").samples[folder.name].values) == [1000 * run["downtime_ms"] for run in told]


@pytest.mark.skipif(not shared("rfc-traces/tables.md"), reason=NO_CAPTURES)
@pytest.mark.parametrize(("series", "title"), EXPERIMENTS)
def test_the_shared_runs_are_these(series: str | None, title: str) -> None:
    (folder,) = shared("rfc-traces/tables.md")
    assert (folder / "tables.md").read_text() == (TRACES / "rfc-1q.md").read_text()
    assert downtime(runs=[folder], series=series).quantities == experiment(series).quantities


def thread_runs(folder: Path) -> Path:
    """The five runs of the thread's table, as logs would have them, in the order in which they are printed."""
    lines = []
    for on in (False, True):
        for run in range(5):
            name = f"{'on' if on else 'off'}-{run}"
            log = "".join(event("load", device, round(1000 * rows[on].samples[run])) for device, rows in TABLE.items())
            (folder / f"{name}-destination.log").write_text(log)
            (folder / f"{name}-source.log").write_text(event("save", "virtio-net", 356))
            lines.append({"k": 2 * run + on, "on": on, "src": f"{name}-source.log", "dst": f"{name}-destination.log"})
    (folder / "thread-runs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


@pytest.mark.parametrize("device", TABLE)
def test_the_threads_own_table(device: str, tmp_path: Path) -> None:
    row = vnetmig.downtime(runs=[thread_runs(tmp_path)], warm_up=0).row(device, "load")
    for of, printed in zip((row.welch.before, row.welch.after), TABLE[device], strict=True):
        assert of.n == 5
        assert of.variance is not None and of.sigma is not None
        # the thread cut its averages and sigmas, or rounded them
        assert of.mean / 1e3 == pytest.approx(printed.mean, abs=0.0101)
        assert of.variance / 1e6 == pytest.approx(printed.variance, abs=0.00006)
        assert of.sigma / 1e3 == pytest.approx(printed.sigma, abs=0.00101)


def test_the_verdict_that_five_runs_allow(tmp_path: Path) -> None:
    said = dict(verdict(vnetmig.downtime(runs=[thread_runs(tmp_path)], warm_up=0)))
    (short,) = said["In short"]
    assert short == (
        "Loading virtio-net takes 3834 us less (p = 0.00099); the other devices together take 1266 us more, which 5 + 5"
        " runs do not prove; and all devices take 2568 us less, which 5 + 5 runs do not prove."
    )
    own, others, every, *more = said["Load, on the destination"]
    assert own == "virtio-net, on against off: faster by 22 % (95 % interval 14 to 30 %, p = 0.00099, n = 5 + 5)."
    assert "that they took back all of the gain is not excluded; none of the 3 moved alone, after Holm" in others
    assert "a difference below about 6.1 % would not show" in every
    (enough,) = more  # five pairs are too few for a test by ranks
    assert enough.startswith("n = 5 + 5 shows a change of all devices' sum of ")
    assert enough.endswith("to show the -2568 us that were seen takes about 9 + as many.")
