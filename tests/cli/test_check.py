"""`vnetmig check`: verdicts, exit codes, JSON, many streams."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_line import RINGS, SAMPLE, command, run, run_json, sample_bytes, spawn, stream_bytes
from fleet_files import fill, refused_bytes

from vnetmig.cli import check_many

NET = "0000:00:04.0/virtio-net"
CONSOLE = "0000:00:03.0/virtio-console"


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    path = tmp_path / "refused.qemu"
    path.write_bytes(refused_bytes())
    return path


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A folder with 12 good streams, a refused one, one that is cut off, and other files."""
    folder = tmp_path / "fleet"
    (folder / "more").mkdir(parents=True)
    fill(folder / "more", 12)
    (folder / "notes.txt").write_text("no stream")
    return folder


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# one stream


def test_it_loads() -> None:
    result = run("check", SAMPLE)
    assert result.exit_code == 0
    head, against, *_ = result.stdout.split("\n\n")
    assert head.splitlines() == [str(SAMPLE), "QEMU 10.0.13  loads"]
    assert against.splitlines()[0] == "QEMU 10.0.13, against the stream itself"
    assert "rings not checked: the guest's memory is not given" in against
    assert f"assumed: {NET}: features that no driver accepted are as pc-i440fx-10.0 offers them" in result.stdout


def test_memory_checks_the_rings() -> None:
    for options, rule in (((), "rings-not-checked"), (("--memory", RINGS), None)):
        found = run_json("check", SAMPLE, *options)["findings"]
        assert [one["rule"] for one in found if one["device"] == NET] == ([] if rule is None else [rule])


def test_a_refusal_is_told_as_qemu_tells_it() -> None:
    result = run("check", SAMPLE, "--qemu", "11.1")
    assert result.exit_code == 1
    table = [line.split() for line in result.stdout.split("\n\n")[1].splitlines()[1:]]
    assert table[0] == ["severity", "device", "field", "offset", "message"]
    assert table[1][:4] == ["refused", CONSOLE, "vq[0].num", "0x5c995"]
    assert " ".join(table[1][4:]) == "VQ 0 vring.num 1024 exceeds allocated max 128"
    assert table[2][:5] == ["load", "of", "migration", "failed:", "Invalid"]
    assert table[3][0] == "hint:"
    assert table[4][:2] == ["(info)", CONSOLE]
    assert table[-1] == ["QEMU", "stops", "before", "this", "one"]


def test_several_releases() -> None:
    result = run("check", SAMPLE, "--qemu", "10.0.13", "--qemu", "11.1")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:3] == [str(SAMPLE), "QEMU 10.0.13  loads", "QEMU 11.1     refused"]
    made = run_json("check", SAMPLE, "--qemu", "10.0.13", "--qemu", "11.1", code=1)
    assert list(made) == ["path", "results"]
    assert [(one["qemu"], one["verdict"]) for one in made["results"]] == [("10.0.13", "loads"), ("11.1", "refused")]


def test_a_release_that_was_not_watched_is_said() -> None:
    made = run_json("check", SAMPLE, "--qemu", "10.1")
    assert "QEMU 10.1 was not watched; taken to do as 10.0.13" in made["assumed"]
    assert not any("watched" in word for word in run_json("check", SAMPLE, "--qemu", "10.0.13")["assumed"])


def test_json() -> None:
    made = run_json("check", SAMPLE, "--qemu", "11.1", code=1)
    assert list(made) == ["path", "qemu", "against", "verdict", "loads", "findings", "assumed"]
    assert made["path"] == str(SAMPLE)
    assert (made["qemu"], made["against"], made["verdict"], made["loads"]) == (
        "11.1",
        "the stream itself",
        "refused",
        False,
    )
    first = made["findings"][0]
    assert first == {
        "rule": "queue-too-large",
        "severity": "refused",
        "device": CONSOLE,
        "field": "vq[0].num",
        "offset": 0x5C995,
        "message": "VQ 0 vring.num 1024 exceeds allocated max 128",
        "chain": first["chain"],
        "hint": first["hint"],
        "follows": False,
    }
    assert first["chain"][0].startswith("load of migration failed: Invalid argument")
    assert {one["follows"] for one in made["findings"][1:]} == {True}


def test_a_command_line_and_a_profile(tmp_path: Path) -> None:
    line = tmp_path / "vm.sh"
    line.write_text(
        "qemu-system-x86_64 -M pc-i440fx-10.0 -nodefaults -netdev user,id=n -device virtio-net-pci,netdev=n\n"
    )
    made = run_json("check", SAMPLE, "--against", f"cmdline:{line}", "--qemu", "10.0.13", code=1)
    assert made["against"] == f"cmdline:{line}"
    assert made["findings"][0]["rule"] == "unknown-section"
    other = run_json("check", SAMPLE, "--against", f"stream:{SAMPLE}")
    assert (other["against"], other["verdict"]) == (f"stream:{SAMPLE}", "loads")


def test_strict(tmp_path: Path) -> None:
    """Warnings, and what breaks later, are no failure unless they are asked to be."""
    stream = tmp_path / "older"
    stream.write_bytes(stream_bytes("linux-user-1q-ping-q52"))
    made = run_json("check", stream, "--qemu", "5.2")
    assert (made["verdict"], [one["severity"] for one in made["findings"]]) == ("loads", ["info"])
    assert run("check", stream, "--qemu", "5.2", "--strict").exit_code == 0
    line = tmp_path / "more.sh"
    nics = "-netdev user,id=n -device virtio-net-pci,netdev=n -netdev user,id=m -device virtio-net-pci,netdev=m"
    line.write_text(f"qemu-system-x86_64 -M pc-i440fx-5.2 -nodefaults {nics}\n")
    options = ("check", stream, "--against", f"cmdline:{line}", "--qemu", "5.2")
    assert run_json(*options)["verdict"] == "loads, device broken"
    assert (run(*options).exit_code, run(*options, "--strict").exit_code) == (0, 1)


def test_both_engines(engine: str) -> None:
    assert run_json("check", SAMPLE, "--qemu", "11.1", "--engine", engine, code=1)["verdict"] == "refused"


def test_a_cut_stream_is_refused_and_not_unreadable(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(sample_bytes()[:300_000])
    made = run_json("check", tmp_path / "cut", code=1)
    assert made["verdict"] == "refused"
    (tmp_path / "none").write_bytes(b"hello")
    assert run_json("check", tmp_path / "none", code=1)["findings"][0]["rule"] == "not-a-stream"


def test_unreadable(tmp_path: Path) -> None:
    assert run_json("check", tmp_path / "absent", code=3)["error"]["message"].endswith("No such file or directory")
    (tmp_path / "broken.xz").write_bytes(SAMPLE.read_bytes()[:12] + bytes(40))
    assert run("check", tmp_path / "broken.xz").exit_code == 3
    assert run("check", SAMPLE, "--against", tmp_path / "absent.toml").exit_code == 3


def test_usage(tmp_path: Path) -> None:
    assert run("check").exit_code == 2
    assert run("check", SAMPLE, "--qemu", "seven").exit_code == 2
    assert run("check", SAMPLE, "--against", "nothing").exit_code == 2
    assert run("check", SAMPLE, SAMPLE, "--memory", RINGS).exit_code == 2
    assert "vnetmig check vm.qemu --qemu 7.2 --qemu 11.1" in run("check", "--help").stdout


def test_a_stream_on_stdin() -> None:
    made = run_json("check", "-", "--qemu", "11.1", code=1, stdin=SAMPLE.read_bytes())
    assert (made["path"], made["verdict"]) == ("-", "refused")
    assert run_json("check", "-", "--qemu", "10.0.13", stdin=sample_bytes())["loads"]


def test_names_from_the_wire_are_harmless(tmp_path: Path) -> None:
    evil = sample_bytes().replace(NET.encode(), b"0000:00:\x1b[2J/virtio-net", 1)
    (tmp_path / "evil\x1b[2J").write_bytes(evil)
    for count in (1, 2):
        result = run("check", *[tmp_path / "evil\x1b[2J"] * count, "--against", f"stream:{SAMPLE}", "--workers", "1")
        assert result.exit_code == 1
        assert "evil\\x1b[2J" in result.stdout
        assert "\x1b" not in result.stdout + result.stderr


# many


def test_a_folder(fleet: Path) -> None:
    result = run("check", fleet, "--qemu", "10.0.13", "--workers", "1")
    assert result.exit_code == 1
    told, verdicts, reasons = result.stdout.split("\n\n")
    assert len(told.splitlines()) == 14
    assert told.splitlines()[0] == f"{fleet}/more/0000.qemu: loads"
    assert f"{fleet}/more/0001-refused.qemu: refused: " in told
    assert f"{fleet}/more/0002-cut.qemu: refused: " in told
    assert [line.split(maxsplit=1) for line in verdicts.splitlines()[1:]] == [
        ["2", "refused"],
        ["12", "loads"],
        ["14", "in all"],
    ]
    rules = [line.split()[:3] for line in reasons.splitlines()[1:]]
    assert ["1", "refused", "queue-sel"] in rules and len(rules) == 2


def test_a_fleet_as_json(fleet: Path, tmp_path: Path) -> None:
    more = fleet / "more"
    streams = [more / "0005.qemu", tmp_path / "absent", more / "0001-refused.qemu", more / "0003-none.qemu", fleet]
    result = run("check", *streams, "--json", "--workers", "1")
    assert result.exit_code == 1
    made = lines(result.stdout)
    assert [one["path"] for one in made[:4]] == list(map(str, streams[:4]))
    assert made[1] == {"path": str(tmp_path / "absent"), "error": "No such file or directory"}
    assert [one.get("verdict") for one in made[:4]] == ["loads", None, "refused", "refused"]
    assert len(made) == 4 + 14
    assert list(made[0]) == ["path", "qemu", "against", "verdict", "loads", "findings", "assumed"]


def test_several_releases_of_many(fleet: Path) -> None:
    more = fleet / "more"
    pair = (more / "0000.qemu", more / "0001-refused.qemu")
    result = run("check", *pair, "--qemu", "10.0.13", "--qemu", "11.1", "--workers", "1")
    assert result.stdout.splitlines()[0].startswith(f"{pair[0]}: 10.0.13 loads, 11.1 refused: VQ 0 vring.num")
    made = lines(run("check", *pair, "--qemu", "10.0.13", "--qemu", "11.1", "--workers", "1", "--json").stdout)
    assert [[one["verdict"] for one in each["results"]] for each in made] == [["loads", "refused"], ["refused"] * 2]


def test_lists_of_paths(fleet: Path, tmp_path: Path) -> None:
    paths = sorted((fleet / "more").glob("000?.qemu"))
    text = "".join(f"{path}\n" for path in paths).encode()
    on_stdin = run("check", "-", "--qemu", "10.0.13", "--workers", "1", "--json", stdin=text)
    (tmp_path / "list").write_bytes(text + b"\n")
    of_file = run("check", f"@{tmp_path / 'list'}", "--qemu", "10.0.13", "--workers", "1", "--json")
    assert on_stdin.exit_code == of_file.exit_code == 0
    assert on_stdin.stdout == of_file.stdout
    assert [one["path"] for one in lines(on_stdin.stdout)] == list(map(str, paths))
    assert run("check", "-", "--workers", "1", "--json", stdin=b"").stdout == ""
    assert run("check", f"@{tmp_path / 'absent'}", "--workers", "1").exit_code == 3


def test_exit_codes_of_many(fleet: Path, tmp_path: Path) -> None:
    good, refused = fleet / "more" / "0000.qemu", fleet / "more" / "0001-refused.qemu"
    absent = tmp_path / "absent"

    def code(*streams: Path) -> int:
        return run("check", *streams, "--qemu", "10.0.13", "--workers", "1").exit_code

    assert [code(good, good), code(good, absent), code(good, absent, refused)] == [0, 3, 1]


def test_processes(fleet: Path) -> None:
    """As people call it; the output is that of one process."""
    arguments = ("check", fleet, "--qemu", "10.0.13", "--json")
    alone, together = spawn(*arguments, "--workers", "1"), spawn(*arguments, "--workers", "2")
    assert (together.returncode, together.stdout, together.stderr) == (1, alone.stdout, "")


def test_interrupted(fleet: Path) -> None:
    """Ctrl-C goes to every process of the terminal."""
    arguments = command("check", "-", "--qemu", "10.0.13", "--workers", "2")
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{fleet}/more/0000.qemu\n".encode() * 1000)
    process.stdin.flush()  # and it stays open: more would come
    assert process.stdout.readline().endswith(b": loads\n")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == b"interrupted"


def test_dask(fleet: Path) -> None:
    distributed = pytest.importorskip("distributed")
    arguments = ("check", fleet, "--qemu", "10.0.13", "--json")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        result = run(*arguments, "--dask", cluster.scheduler_address)
    assert result.exit_code == 1
    assert result.stdout == run(*arguments, "--workers", "1").stdout


def test_dask_that_is_not_there(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("check", fleet, "--dask", "tcp://127.0.0.1:1")
    assert result.exit_code == 2
    assert "pip install 'vnetmig[fleet]'" in result.stderr


def test_a_list_on_stdin_beside_a_file(tmp_path: Path) -> None:
    other = tmp_path / "other.qemu"
    other.write_bytes(sample_bytes())
    args = ("check", SAMPLE, "-", "--qemu", "10.0.13", "--workers", "1", "--json")
    told = [json.loads(line)["path"] for line in run(*args, stdin=f"{other}\n".encode()).stdout.splitlines()]
    assert told == [str(SAMPLE), str(other)]


def test_a_scheduler_that_does_not_answer(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(check_many, "CONNECT_SECONDS", 0.2)
    result = run("check", fleet, "--dask", "tcp://127.0.0.1:1")
    assert result.exit_code == 2 and "no scheduler answers there" in result.stderr
