from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import vnetmig
from traces import checkpoint, event
from vnetmig.analysis.downtime import query_migrate, run_folder
from vnetmig.analysis.downtime.query_migrate import read_query_migrate
from vnetmig.analysis.downtime.run_folder import read_folder
from vnetmig.errors import FieldError, StreamError

SAVED = event("save", "cpu", 7) + checkpoint("src-non-iterable-saved")
LOADED = event("load", "cpu", 9) + checkpoint("dst-precopy-loadvm-completed")


def chain(folder: Path, number: int, name: str = "vm{:02}.log") -> Path:
    folder.mkdir(exist_ok=True)
    for place in range(number + 1):
        text = (LOADED if place else "") + (SAVED if place < number else "")
        (folder / name.format(place)).write_text(text)
    return folder


def table(folder: Path, *runs: dict[str, Any]) -> Path:
    (folder / "a-runs.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs))
    return folder


def test_a_chain(tmp_path: Path) -> None:
    found = read_folder(chain(tmp_path / "q10", 11))
    assert [(hop.name, hop.arm) for hop in found.hops] == [(f"q10 #{k}", "q10") for k in range(11)]
    assert all(hop.source is not None and hop.destination is not None for hop in found.hops)


def test_a_chain_counts_as_people_do(tmp_path: Path) -> None:
    """vm9 comes before vm10."""
    assert len(read_folder(chain(tmp_path, 11, "vm{}.log")).hops) == 11


def test_a_chain_with_a_gap_and_one_that_broke(tmp_path: Path) -> None:
    folder = chain(tmp_path, 6)
    (folder / "vm02.log").unlink()
    (folder / "vm05.log").write_text(event("load", "cpu", 9) + checkpoint("dst-precopy-bh-enter"))
    (folder / "query-migrate.json").write_text(json.dumps([{"downtime_ms": k} for k in range(6)]))
    found = read_folder(folder)
    assert [hop.number for hop in found.hops] == [0, 3]
    assert [hop.told for hop in found.hops] == [{"downtime": 0}, {"downtime": 3}]
    assert found.broken == [
        "vm01.log -> vm03.log: the log between them is missing",
        "vm04.log -> vm05.log: no load that got through",
        "vm05.log -> vm06.log: no save that got through",
    ]


def test_a_table_of_runs(tmp_path: Path) -> None:
    chain(tmp_path, 4)
    runs = [
        {"k": k, "on": bool(k % 2), "src": f"vm{k:02}.log", "dst": f"vm{k + 1:02}.log", "downtime_ms": 5}
        for k in range(4)
    ]
    found = read_folder(table(tmp_path, *runs))
    assert [(hop.number, hop.arm, hop.block) for hop in found.hops] == [(2, "off", 1), (3, "on", 1)]
    assert [hop.number for hop in found.left_out] == [0, 1]
    assert found.hops[0].told == {"downtime": 5}
    assert len(read_folder(tmp_path, warm_up=0).hops) == 4


def test_arms_may_have_names(tmp_path: Path) -> None:
    chain(tmp_path, 2)
    runs = [{"k": k, "arm": arm, "src": "vm00.log", "dst": "vm01.log"} for k, arm in enumerate(("10.0", "11.1"))]
    found = vnetmig.downtime(runs=[table(tmp_path, *runs)], warm_up=0)
    assert found.arms == ("10.0", "11.1")


@pytest.mark.parametrize(
    ("run", "field"),
    [
        ({"on": True, "dst": "vm01.log"}, "src"),
        ({"on": True, "src": "../vm00.log", "dst": "vm01.log"}, "src"),
        ({"on": True, "src": "/etc/passwd", "dst": "vm01.log"}, "src"),
        ({"on": True, "src": "vm00.log", "dst": 7}, "dst"),
        ({"on": True, "src": "vm00.log", "dst": "\ud800.log"}, "dst"),
        ({"src": "vm00.log", "dst": "vm01.log"}, "on"),
        ({"on": 1, "src": "vm00.log", "dst": "vm01.log"}, "on"),
        ({"on": True, "k": -1, "src": "vm00.log", "dst": "vm01.log"}, "k"),
        ({"on": True, "k": "0", "src": "vm00.log", "dst": "vm01.log"}, "k"),
        ({"on": True, "k": 10**30, "src": "vm00.log", "dst": "vm01.log"}, "k"),
    ],
)
def test_a_table_that_says_something_else(run: dict[str, Any], field: str, tmp_path: Path) -> None:
    chain(tmp_path, 1)
    with pytest.raises(StreamError) as error:
        read_folder(table(tmp_path, run))
    assert error.value.field == field


def test_folders_of_one_name_are_two_arms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = chain(tmp_path / "old/logs", 2), chain(tmp_path / "new/logs", 2)
    assert vnetmig.downtime(runs=[old, new]).arms == (str(old), str(new))
    with pytest.raises(FieldError, match="the same folder twice"):
        vnetmig.downtime(runs=[old, f"{new}/../../old/logs"])
    for folder in (old, new):
        table(folder, *({"k": k, "on": bool(k), "src": "vm00.log", "dst": "vm01.log"} for k in range(2)))
    found = vnetmig.downtime(runs=[old, new], warm_up=0)
    assert found.series == ("a", f"{new}/a") and {row.pairs for row in found.against} == {2}
    monkeypatch.chdir(new)
    (new / "a-runs.jsonl").unlink()
    assert vnetmig.downtime(runs=["."]).arms == ("logs",)


def test_too_many_arms(tmp_path: Path) -> None:
    runs = [{"k": k, "arm": str(k), "src": "vm00.log", "dst": "vm01.log"} for k in range(65)]
    with pytest.raises(StreamError, match="too many arms"):
        vnetmig.downtime(runs=[table(chain(tmp_path, 1), *runs)], warm_up=0)


def test_a_pipe_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.log")
    with pytest.raises(StreamError, match="no trace log"):
        read_folder(table(tmp_path, {"on": True, "src": "p.log", "dst": "p.log"}))


@pytest.mark.parametrize("text", ["{", "[1]", "[]\n[]", "[" * 100_000])
def test_a_table_that_is_no_json(text: str, tmp_path: Path) -> None:
    (tmp_path / "a-runs.jsonl").write_text(text)
    with pytest.raises(StreamError, match="no list of JSON objects"):
        read_folder(tmp_path)


def test_a_folder_without_runs(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no runs of migrations"):
        read_folder(tmp_path)
    runs = table(chain(tmp_path, 1), {"on": True, "src": "vm00.log", "dst": "gone.log"})
    with pytest.raises(FileNotFoundError):
        read_folder(runs)


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ('{"return": {"status": "completed", "downtime": 7, "total-time": 64}}', [{"downtime": 7, "total time": 64}]),
        ('[{"downtime": 1}, {"downtime": 2}]', [{"downtime": 1}, {"downtime": 2}]),
        ('{"downtime": 1}\n{"setup-time": 2.5}\n', [{"downtime": 1}, {"setup time": 2.5}]),
        ('{"downtime": -1, "total-time": "x", "setup-time": true, "expected-downtime": 1e300}', [{}]),
        ('{"downtime": NaN}', [{}]),
    ],
)
def test_query_migrate(text: str, figures: list[dict[str, float]]) -> None:
    assert read_query_migrate(BytesIO(text.encode())) == figures


def test_answers_and_migrations_must_be_as_many() -> None:
    assert vnetmig.downtime(LOADED.encode(), query_migrate=b'{"downtime": 3}').hops[0].told == {"downtime": 3}
    with pytest.raises(FieldError, match="expected an answer for each of 1 migrations, got 2"):
        vnetmig.downtime(LOADED.encode(), query_migrate=b'[{"downtime": 3}, {"downtime": 4}]')


def test_one_log_of_both_sides_and_sides_without_another() -> None:
    both = vnetmig.downtime((SAVED + LOADED).encode())
    assert len(both.hops) == 1 and both.hops[0].source is not None and both.hops[0].destination is not None
    tried = vnetmig.downtime((event("save", "cpu", 1) + SAVED + SAVED).encode(), LOADED.encode())
    assert [hop.source and list(hop.source.took) for hop in tried.hops] == [[7]]
    assert tried.notes == ("2 sides of migrations have no other side",)
    many = [(side * 3).encode() for side in (SAVED, LOADED)]
    assert [len(vnetmig.downtime(*many, warm_up=number).hops) for number in (0, 1, 2)] == [3, 2, 1]
    with pytest.raises(FieldError, match="all 3 migrations are of the warm-up"):
        vnetmig.downtime(*many, warm_up=3)
    alone = vnetmig.downtime(SAVED.encode())
    assert alone.hops[0].destination is None
    assert [(quantity.side, quantity.name) for quantity in alone.quantities] == [
        ("save", "cpu"),
        ("save", "all devices"),
    ]


def test_what_cannot_be_asked() -> None:
    with pytest.raises(FieldError, match="expected the logs of a source and a destination"):
        vnetmig.downtime()
    with pytest.raises(StreamError, match="no downtime events") as error:
        vnetmig.downtime(b"hello\n", b"")
    assert error.value.hint is not None and "8.2" in error.value.hint
    found = vnetmig.downtime(LOADED.encode())
    for asked in (lambda: found.quantity("cpu", "save"), lambda: found.row("cpu", "load")):
        with pytest.raises(FieldError):
            asked()


def test_more_than_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain(tmp_path, 2)
    monkeypatch.setattr(run_folder, "RUNS_MAX", 1)
    with pytest.raises(StreamError, match="expected at most 1, got more"):
        read_folder(table(tmp_path, *({"on": True, "src": "vm00.log", "dst": "vm01.log"} for _ in range(2))))
    monkeypatch.setattr(query_migrate, "BYTES_MAX", 10)
    with pytest.raises(StreamError, match="expected at most 10 bytes, got more"):
        read_query_migrate(BytesIO(b'{"return": {}}'))
