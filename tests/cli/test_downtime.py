from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import run, run_json
from ping_output import LOST

from traces import checkpoint, event, unpacked

CHAIN = "q111-1qs4"


def pair() -> tuple[Path, Path]:
    folder = unpacked(CHAIN)
    return folder / "vm00.log", folder / "vm01.log"


def test_one_migration() -> None:
    told = run("downtime", *pair()).stdout
    assert told.startswith("trace logs of live migrations\nmigrations  1\n")
    assert "0000:00:04.0/virtio-net           2342" in told and "ram (last pass, not in the sums)  1534" in told
    assert "35 more devices count in the sums; --all shows each of 45" in told
    assert "kvm-tpr-opt" in told and "vmmouse" in told and "globalstate" not in told
    assert "globalstate" in run("downtime", *pair(), "--all").stdout


def test_two_chains_against_each_other() -> None:
    told = run("downtime", "--runs", unpacked("q100-1q-fwkvm"), "--runs", unpacked(CHAIN)).stdout
    assert "migrations  42 (q100-1q-fwkvm 12, q111-1qs4 30)" in told
    assert "In short\n  Loading virtio-net takes " in told
    assert "p ranks: Wilcoxon's rank sum; there are no pairs" in told


def test_the_experiment() -> None:
    told = run("downtime", "--runs", unpacked("rfc-1q")).stdout
    assert "left out    4 of the warm-up" in told and "pairs       108, one of each arm in turn" in told
    assert "0000:00:04.0/virtio-net                 -517  -586 .. -449     -55 %  -2.02  < 1e-15" in told
    assert "1295 more, in --json" in told


def test_json() -> None:
    made = run_json("downtime", "--runs", unpacked("rfc-1q"), "--series", "1qB")
    assert made["arms"] == ["off", "on"] and made["series"] == ["1qB"] and len(made["migrations"]) == 98
    (net,) = [row for row in made["quantities"] if row["side"] == "load" and row["name"] == "0000:00:04.0/virtio-net"]
    assert net["entry"] == {"idstr": "0000:00:04.0/virtio-net", "instance_id": 0, "kind": "non-iterable"}
    assert round(net["arms"]["on"]["mean"]) == 390 and len(net["arms"]["on"]["us"]) == 49
    (row,) = [row for row in made["against"] if row["side"] == "load" and row["name"] == "all devices"]
    assert round(row["difference"]) == -712 and round(row["p"], 3) == 0.005 and row["pairs"] == 49
    assert made["verdict"][0]["about"] == "In short"


def test_ping_and_query_migrate(tmp_path: Path) -> None:
    source = checkpoint("src-vm-stopped", "1@100.600000:") + event("save", "cpu", 9, front="1@100.610000:")
    (tmp_path / "s.log").write_text(source + checkpoint("src-non-iterable-saved", "1@100.620000:"))
    (tmp_path / "d.log").write_text(
        event("load", "cpu", 9, front="2@100.640000:")
        + checkpoint("dst-precopy-loadvm-completed", "2@100.645000:")
        + checkpoint("dst-precopy-bh-vm-started", "2@100.650000:")
    )
    (tmp_path / "ping").write_text(LOST)
    (tmp_path / "q.json").write_text('{"return": {"downtime": 48}}')
    args = ("downtime", tmp_path / "s.log", tmp_path / "d.log", "--ping", tmp_path / "ping")
    told = run(*args, "--query-migrate", tmp_path / "q.json").stdout
    assert "query-migrate: downtime      48000" in told
    (row,) = [line.split() for line in told.splitlines() if line.startswith("log #0")]
    assert row == ["log", "#0", "50.0", "400.0", "100.0", "250.0", "3"]
    assert run_json(*args)["ping"]["migrations"][0]["after_start"] == 250_000


def test_a_trace_for_perfetto(tmp_path: Path) -> None:
    out = tmp_path / "trace.json"
    run("downtime", *pair(), "--chrome-trace", out)
    made = json.loads(out.read_text())
    events: list[dict[str, Any]] = made["traceEvents"]
    whole = [each for each in events if each["ph"] == "X"]
    (net,) = [each for each in whole if each["name"] == "load 0000:00:04.0/virtio-net"]
    assert net["dur"] == 2342 and net["args"]["type"] == "non-iterable"
    assert min(each["ts"] for each in events if "ts" in each) == 0
    named = {each["pid"]: each["args"]["name"] for each in events if each["name"] == "process_name"}
    assert [name.split(": ")[1] for name in named.values()] == ["source", "destination"]
    assert {each["name"] for each in events if each["ph"] == "i"} >= {"src-vm-stopped", "dst-precopy-bh-vm-started"}
    assert all({"ph", "pid", "tid", "name"} <= each.keys() for each in events)


def test_a_trace_without_timestamps_is_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "d.log").write_text(event("load", "a", 5) + event("load", "b", 7))
    run("downtime", tmp_path / "d.log", "--chrome-trace", tmp_path / "t.json")
    whole = [each for each in json.loads((tmp_path / "t.json").read_text())["traceEvents"] if each["ph"] == "X"]
    assert [(each["ts"], each["dur"]) for each in whole] == [(0, 5), (5, 7)]


def test_figures_and_page_as_files(tmp_path: Path) -> None:
    result = run("downtime", *pair(), "--svg", tmp_path / "svg", "--html", tmp_path / "d.html")
    assert sorted(path.name for path in (tmp_path / "svg").iterdir()) == [
        "load-devices.svg",
        "save-devices.svg",
        "time-line.svg",
    ]
    assert result.stderr.count(": written") == 4
    again = tmp_path / "again"
    run("downtime", *pair(), "--svg", again)
    for path in again.iterdir():
        assert path.read_bytes() == (tmp_path / "svg" / path.name).read_bytes()


def test_without_matplotlib_only_figures_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert run("downtime", *pair()).exit_code == 0
    result = run("downtime", *pair(), "--html", tmp_path / "d.html")
    assert result.exit_code == 2 and "pip install 'vnetmig[report]'" in result.stderr
    assert not (tmp_path / "d.html").exists()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [("hello\n", 3, "no downtime events of a migration that got through"), (None, 3, "No such file")],
)
def test_what_cannot_be_read(text: str | None, code: int, said: str, tmp_path: Path) -> None:
    log = tmp_path / "s.log"
    if text is not None:
        log.write_text(text)
    result = run("downtime", log)
    assert result.exit_code == code and said in result.stderr
    assert said in run_json("downtime", log, code=code)["error"]["message"]


def test_wrong_usage(tmp_path: Path) -> None:
    for args in ((), (*pair(), "--runs", tmp_path), ("--runs", unpacked("rfc-1q"), "--series", "nope")):
        assert run("downtime", *args).exit_code == 2
    result = run("downtime", *pair(), "--chrome-trace", pair()[0])
    assert result.exit_code == 2 and "it is not written over" in result.stderr
    told = run_json("downtime", *pair(), "--chrome-trace", tmp_path / "no/such/folder", code=2)
    assert "cannot write" in told["error"]["message"]
    result = run("downtime", *pair(), "--html", tmp_path / "x", "--chrome-trace", f"{tmp_path}/./x")
    assert result.exit_code == 2 and "two files" in result.stderr
    folder = unpacked(CHAIN)
    result = run("downtime", "--runs", folder, "--chrome-trace", folder / "vm07.log")
    assert result.exit_code == 2 and "it is not written over" in result.stderr


def test_a_name_with_control_characters_stays_a_name(tmp_path: Path) -> None:
    (tmp_path / "d.log").write_bytes(
        b"vmstate_downtime_load type=non-iterable idstr=a\x1b[2J\xff instance_id=0 downtime=1\n"
    )
    told = run("downtime", tmp_path / "d.log").stdout
    assert "\x1b" not in told and "a\\x1b[2J\\xff" in told
    assert run_json("downtime", tmp_path / "d.log")["quantities"][0]["name"] == "a\x1b[2J\udcff"
