"""`vnetmig matrix`: exit codes, files, streams as sources."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from command_line import RINGS, SAMPLE, run, run_json

USER = "-netdev user,id=n0 -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56,romfile="


@pytest.fixture
def vm(tmp_path: Path) -> Path:
    path = tmp_path / "vm.sh"
    path.write_text(f"qemu-system-x86_64 -nodefaults -machine pc-i440fx-7.2 {USER}\n")
    return path


@pytest.mark.parametrize(
    ("qemu", "strict", "code"),
    [(("10.0.2",), False, 0), (("7.2",), False, 0), (("7.2",), True, 1), (("10.0.2",), True, 0)],
)
def test_the_exit_code(vm: Path, qemu: tuple[str, ...], strict: bool, code: int) -> None:
    given = [word for one in qemu for word in ("--qemu", one)]
    assert run("matrix", f"cmdline:{vm}", *given, *(["--strict"] if strict else [])).exit_code == code


def test_a_pair_that_is_refused(vm: Path) -> None:
    result = run("matrix", f"cmdline:{vm}", "--qemu", "10.0.13", "--qemu", "11.1")
    assert result.exit_code == 1
    assert "pairs   QEMU 10.0.13 -> QEMU 11.1: pc-i440fx-7.2\n" in result.stdout and not result.stderr


def test_files_and_json_say_the_same(vm: Path, tmp_path: Path) -> None:
    lines, page = tmp_path / "m.csv", tmp_path / "m.html"
    spec = f"cmdline:{vm}"
    result = run("matrix", spec, "--csv", lines, "--html", page)
    assert result.exit_code == 1 and result.stderr == f"{lines}: written\n{page}: written\n"
    made = run_json("matrix", spec, code=1)
    rows = list(csv.DictReader(lines.read_text().splitlines()))
    assert [row["verdict"] for row in rows] == [cell["verdict"] for cell in made["cells"]]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_alias_says_no_release_and_needs_none(vm: Path) -> None:
    vm.write_text(vm.read_text().replace("pc-i440fx-7.2", "pc"))
    made = run_json("matrix", f"cmdline:{vm}", "--qemu", "7.2", "--qemu", "10.0.2", code=1)
    assert [(one["machine"], one["qemu"]) for one in made["sources"]] == [
        ("pc-i440fx-7.2", "7.2"),
        ("pc-i440fx-7.2", "10.0.2"),
        ("pc-i440fx-10.0", "10.0.2"),
    ]


def test_a_profile_written_by_profile(vm: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.toml"
    assert run("profile", f"cmdline:{vm}", "-o", there).exit_code == 0
    made = run_json("matrix", there, "--qemu", "10.0.2", "--qemu", "11.1")
    assert made["loads"] is True and len(made["cells"]) == 4
    assert any("recorded of QEMU 7.2" in word for word in made["sources"][0]["assumed"])


def test_streams_are_the_sources() -> None:
    given = ("matrix", f"stream:{SAMPLE}", "--stream", SAMPLE, "--memory", RINGS)
    made = run_json(*given, "--qemu", "10.0.2", "--qemu", "11.1", code=1)
    assert [(one["name"], one["stream"]) for one in made["sources"]] == [(str(SAMPLE), True)]
    assert [cell["outcome"] for cell in made["cells"]] == ["works", "refused"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--qemu", "seven"), 2),
        (("--stream", SAMPLE, "--memory", RINGS, "--memory", RINGS), 2),
        (("--stream", "/nowhere"), 3),
        (("--csv", "/nowhere/m.csv"), 2),
    ],
)
def test_wrong_usage(vm: Path, more: tuple[str | Path, ...], code: int) -> None:
    result = run("matrix", f"cmdline:{vm}", *more)
    assert result.exit_code == code and "Traceback" not in result.stderr


@pytest.mark.parametrize(("spec", "code"), [("nonsense", 2), ("cmdline:/nowhere", 3), ("stream:/nowhere", 3)])
def test_profiles_that_are_none(spec: str, code: int) -> None:
    assert run("matrix", spec).exit_code == code


def test_a_stream_that_is_none(vm: Path, tmp_path: Path) -> None:
    path = tmp_path / "no.qemu"
    path.write_bytes(b"this is no stream")
    assert run("matrix", f"cmdline:{vm}", "--stream", path).exit_code == 3
