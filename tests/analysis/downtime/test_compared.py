"""Chains as arms, pairs, and what is said of them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import vnetmig
from traces import checkpoint, event, unpacked
from vnetmig.analysis.downtime.compared import of_series, pairs_of
from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.enough import detectable, needed
from vnetmig.analysis.downtime.outlier import far_out
from vnetmig.analysis.downtime.words import SHORT, verdict
from vnetmig.analysis.significance import Comparison, welch

NET, SCSI = "0000:00:04.0/virtio-net", "0000:00:05.0/virtio-scsi"


def runs(folder: Path, number: int, scsi: float, *, net: float = 500, name: str = "a") -> Path:
    """``number`` blocks of two; with the arm `on`, net takes ``net`` instead of 1000, and scsi as much longer."""
    chance = random.Random(repr((number, scsi, net)))
    lines = []
    for k in range(2 * number):
        on = k % 2 == 1
        log = event("load", "ram", chance.randrange(10**5), kind="iterable")
        for device, mean in ((NET, net if on else 1000), (SCSI, 800 + scsi * on)):
            log += event("load", device, round(chance.gauss(mean, 20)))
        (folder / f"{name}{k}.txt").write_text(log)
        (folder / f"{name}-source.txt").write_text(event("save", NET, 300))
        lines.append({"k": k, "on": on, "src": f"{name}-source.txt", "dst": f"{name}{k}.txt"})
    (folder / f"{name}-runs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def found_in(folder: Path) -> Downtime:
    return vnetmig.downtime(runs=[folder], warm_up=0)


def test_others_that_take_back_the_gain(tmp_path: Path) -> None:
    said = dict(verdict(found_in(runs(tmp_path, 30, scsi=400))))
    assert said[SHORT][0].startswith("Loading virtio-net takes ") and said[SHORT][0].count(" us less (p") == 2
    told = "\n".join(said["Load, on the destination"])
    assert "faster by 50 %" in told and f"{SCSI} slower by" in told and "of the gain" in told
    assert ": enough for what was seen (" in told


def test_a_gain_that_nobody_pays(tmp_path: Path) -> None:
    (short,) = dict(verdict(found_in(runs(tmp_path, 30, scsi=0))))[SHORT]
    assert "the other devices together take " in short and "which 30 + 30 runs do not prove; and all devices" in short


def test_sums_leave_out_the_last_pass_over_ram(tmp_path: Path) -> None:
    found = found_in(runs(tmp_path, 8, scsi=0))
    whole = found.quantity("all devices", "load").samples["off"].values
    parts = [found.quantity(name, "load").samples["off"].values for name in (NET, SCSI)]
    assert list(whole) == [sum(each) for each in zip(*parts, strict=True)]
    assert list(found.quantity("all devices but virtio-net", "load").samples["off"].values) == list(parts[1])


def test_series_say_what_they_say_alone(tmp_path: Path) -> None:
    runs(tmp_path, 20, scsi=0, name="a")
    runs(tmp_path, 20, scsi=900, name="b")
    found = found_in(tmp_path)
    row = found.row("all devices", "load")
    alone = dict(of_series(row, found.hops, "off"))
    assert alone["a"].welch.difference < 0 < alone["b"].welch.difference
    assert alone["a"].pairs == 20 and row.pairs == 40
    assert alone["b"].welch == vnetmig.downtime(runs=[tmp_path], warm_up=0, series="b").row("all devices", "load").welch
    told = dict(verdict(found))["Load, on the destination"]
    assert any(line.startswith("All devices, series by series: a -") for line in told)


def test_a_block_that_lost_one_is_no_pair(tmp_path: Path) -> None:
    runs(tmp_path, 5, scsi=0)
    (tmp_path / "a3.txt").write_text(event("load", NET, 5) + checkpoint("dst-precopy-bh-enter"))
    found = found_in(tmp_path)
    assert found.notes == ("a #3: its destination did not get through",)
    assert pairs_of(found.hops, "off", "on") == {0: 1, 3: 4, 5: 6, 7: 8}
    assert found.row(NET, "load").pairs == 4


def test_chains_have_no_pairs() -> None:
    folder = unpacked("q100-1q-fwkvm")
    found = vnetmig.downtime(runs=[folder, unpacked("q111-1qs4")])
    assert found.arms == ("q100-1q-fwkvm", "q111-1qs4")
    row = found.row("virtio-net", "load")
    assert (row.pairs, row.sign_flip) == (0, None) and 0 < row.wilcoxon < 1e-3 and row.welch.difference > 0
    assert not any("random signs" in line for _, said in verdict(found) for line in said)


def test_one_arm_is_compared_with_nothing() -> None:
    found = vnetmig.downtime(runs=[unpacked("q100-1q-fwkvm")])
    assert found.against == () and verdict(found) == []


def test_holm_is_over_the_devices_of_one_side() -> None:
    found = vnetmig.downtime(runs=[unpacked("rfc-1q")], series="1qB")
    for side in ("load", "save"):
        rows = [row for row in found.against if row.quantity.side == side and row.quantity.kind == "device"]
        tested = [row for row in rows if row.welch.p is not None]
        best = min(tested, key=lambda row: row.welch.p or 1)
        assert best.welch.p is not None and best.holm == pytest.approx(min(1.0, best.welch.p * len(tested)))
    assert all(row.holm is None for row in found.against if row.quantity.kind in ("sum", "clock", "query-migrate"))


def rejected(effect: float, number: int, chance: random.Random) -> float:
    """How often a difference is shown, of many repetitions."""

    def once() -> Comparison:
        sides = [[chance.gauss(mean, 10) for _ in range(number)] for mean in (100, 100 + effect)]
        return welch(*sides)

    return sum((once().p or 1) < 0.05 for _ in range(400)) / 400


def test_enough_is_four_times_in_five() -> None:
    chance = random.Random(7)
    sides = [[chance.gauss(mean, 10) for _ in range(400)] for mean in (100, 103)]
    before = [100 + 10 * (value - 100) / 10 for value in sides[0]]
    found = welch(before, sides[1])
    least, runs_needed = detectable(found), needed(found)
    assert least is not None and runs_needed is not None
    assert 0.72 < rejected(least, 400, chance) < 0.88
    assert 0.7 < rejected(found.difference, runs_needed, chance) < 0.9


def test_without_spread_or_difference_nothing_is_needed() -> None:
    assert detectable(welch([1, 1], [2, 2])) is None and needed(welch([1, 1], [2, 2])) is None
    assert needed(welch([1, 2], [1, 2])) is None and detectable(welch([1], [2])) is None


def test_small_differences_and_those_without_spread_have_their_words(tmp_path: Path) -> None:
    lines = []
    for k in range(6):
        on = k % 2 == 1
        (tmp_path / f"{k}.txt").write_text(event("load", NET, 9 if on else 7) + event("load", SCSI, 5 + (k == 3)))
        lines.append(json.dumps({"k": k, "on": on, "src": "source.txt", "dst": f"{k}.txt"}))
    (tmp_path / "source.txt").write_text(event("save", NET, 300))
    (tmp_path / "a-runs.jsonl").write_text("\n".join(lines))
    (short,) = dict(verdict(found_in(tmp_path)))[SHORT]
    assert short.startswith("Loading virtio-net takes 2 us more in every run; the other devices together take 0.33 us")


def test_outliers_are_shown_and_counted(tmp_path: Path) -> None:
    runs(tmp_path, 20, scsi=0)
    (tmp_path / "a6.txt").write_text(event("load", NET, 90_000) + event("load", SCSI, 800))
    found = found_in(tmp_path)
    worst = found.outliers[0]
    assert worst.value >= 90_000 and (found.hops[worst.hop].number, worst.arm) == (6, "off")
    assert {outlier.quantity.name for outlier in found.outliers if outlier.value >= 90_000} >= {NET, "all devices"}
    assert found.row(NET, "load").welch.before.maximum == 90_000
    assert far_out([1, 2, 3]) is None


def test_times_that_are_equal_have_their_words(tmp_path: Path) -> None:
    lines = []
    for k in range(6):
        (tmp_path / f"{k}.txt").write_text(event("load", NET, 7 + k // 2) + event("load", SCSI, 5 + k // 2))
        lines.append(json.dumps({"k": k, "on": k % 2 == 1, "src": "source.txt", "dst": f"{k}.txt"}))
    (tmp_path / "source.txt").write_text(event("save", NET, 300))
    (tmp_path / "a-runs.jsonl").write_text("\n".join(lines))
    (short,) = dict(verdict(found_in(tmp_path)))[SHORT]
    assert short.startswith("Loading virtio-net takes as long as before; the other devices together take as long as")


def test_of_runs_without_the_device_nothing_is_said_of_it(tmp_path: Path) -> None:
    lines = []
    for k in range(6):
        (tmp_path / f"{k}.txt").write_text(event("load", SCSI, 5 + k))
        lines.append(json.dumps({"k": k, "on": k % 2 == 1, "src": "source.txt", "dst": f"{k}.txt"}))
    (tmp_path / "source.txt").write_text(event("save", SCSI, 300))
    (tmp_path / "a-runs.jsonl").write_text("\n".join(lines))
    assert [title for title, _ in verdict(found_in(tmp_path))] == ["Load and save together, and the clock"]
