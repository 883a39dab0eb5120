"""`vnetmig edit`: files in and out, the order of operations, refusals, exit codes."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest
from command_line import SAMPLE, run, run_json, sample_bytes

import vnetmig

NET = "0000:00:04.0/virtio-net"
MAC = "virtio-net:mac=52:54:00:aa:bb:cc"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "vm.qemu"
    path.write_bytes(sample_bytes())
    return path


def mac_of(path: Path) -> str:
    return str(vnetmig.load(path).device("virtio-net").mac)


def test_text(plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "edited.qemu"
    result = run("edit", plain, "-o", out, "--set", MAC, "--set", "virtio-net:vlans=+42")
    assert result.exit_code == 0
    assert "52:54:00:12:34:56  52:54:00:aa:bb:cc" in result.stdout and "only in b: 42" in result.stdout
    assert f"{out}: {len(sample_bytes())} bytes written" in result.stderr
    assert mac_of(out) == "52:54:00:aa:bb:cc" and plain.read_bytes() == sample_bytes()
    assert run("diff", plain, out).exit_code == 1


def test_json(plain: Path, tmp_path: Path) -> None:
    made = run_json("edit", plain, "-o", tmp_path / "out", "--set", MAC)
    assert (made["written"], made["forced"]) == (len(sample_bytes()), [])
    assert [f["path"] for s in made["difference"]["sections"] for f in s["fields"]] == ["mac"]


@pytest.mark.parametrize(("suffix", "unpack"), [(".xz", lzma.decompress), (".gz", gzip.decompress), ("", bytes)])
def test_what_comes_packed_goes_out_as_its_name_says(tmp_path: Path, suffix: str, unpack) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / f"edited{suffix}"
    assert run("edit", SAMPLE, "-o", out, "--set", MAC).exit_code == 0
    assert len(unpack(out.read_bytes())) == len(sample_bytes()) and mac_of(out) == "52:54:00:aa:bb:cc"


def test_stdin(tmp_path: Path) -> None:
    assert run("edit", "-", "-o", tmp_path / "out", "--set", MAC, stdin=sample_bytes()).exit_code == 0
    assert mac_of(tmp_path / "out") == "52:54:00:aa:bb:cc"


def test_the_order_is_that_of_the_command_line(plain: Path, tmp_path: Path) -> None:
    entry = "virtio-net:mac_table.macs[0]"
    steps = ["--insert", f"{entry}=02:00:00:00:00:01", "--set", f"{entry}=02:00:00:00:00:02"]
    steps += [f"--insert={entry}=02:00:00:00:00:03", "--remove", "virtio-net:mac_table.macs[1]"]
    assert run("edit", plain, "-o", tmp_path / "out", *steps).exit_code == 0
    assert vnetmig.load(tmp_path / "out").device("virtio-net").mac_table.unicast == ("02:00:00:00:00:03",)


def test_subsections(plain: Path, tmp_path: Path) -> None:
    steps = [
        "--add",
        f"{NET}:virtio-net-device/rss",
        "--set",
        f"{NET}:rss.hash_types=0x1ff",
        "--drop",
        f"{NET}:started",
    ]
    result = run("edit", plain, "-o", tmp_path / "out", *steps)
    assert "only in a: started; only in b: rss" in result.stdout
    assert vnetmig.load(tmp_path / "out").device("virtio-net")["rss.hash_types"] == 0x1FF


def test_dry_run(plain: Path, tmp_path: Path) -> None:
    result = run("edit", plain, "-o", tmp_path / "out", "--set", MAC, "--dry-run")
    assert result.exit_code == 0 and "aa:bb:cc" in result.stdout
    assert list(tmp_path.iterdir()) == [plain] and plain.read_bytes() == sample_bytes()


def test_in_place(plain: Path, tmp_path: Path) -> None:
    assert run("edit", plain, "--in-place", "--set", MAC).exit_code == 0
    assert mac_of(plain) == "52:54:00:aa:bb:cc" and list(tmp_path.iterdir()) == [plain]
    packed = tmp_path / "vm.xz"
    packed.write_bytes(lzma.compress(sample_bytes()))
    assert run("edit", packed, "--in-place", "--set", MAC).exit_code == 0
    assert len(lzma.decompress(packed.read_bytes())) == len(sample_bytes())


def test_in_place_keeps_the_compression(tmp_path: Path) -> None:
    for name, data in (("packed", lzma.compress(sample_bytes())), ("plain.xz", sample_bytes())):
        path = tmp_path / name
        path.write_bytes(data)
        result = run("edit", path, "--in-place", "--set", MAC)
        assert result.exit_code == 2 and "write another file" in result.stderr
        assert path.read_bytes() == data


def test_out_is_not_in(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(plain)
    for out in (plain, tmp_path / "link"):
        result = run("edit", plain, "-o", out, "--set", MAC)
        assert result.exit_code == 2 and "--in-place" in result.stderr
    assert plain.read_bytes() == sample_bytes()


REFUSED = [
    ("--drop", f"{NET}:64bit_features", "VIRTIO_F_VERSION_1"),
    ("--set", f"{NET}:mac_table.in_use=9", "its count field says 9"),
    ("--set", f"{NET}:curr_queue_pairs=9", "curr_queue_pairs 9 > max_queue_pairs 4"),
]


@pytest.mark.parametrize(("option", "text", "reason"), REFUSED, ids=[row[1] for row in REFUSED])
def test_a_refusal_writes_nothing_unless_forced(
    plain: Path, tmp_path: Path, option: str, text: str, reason: str
) -> None:
    out = tmp_path / "out"
    result = run("edit", plain, "-o", out, option, text)
    assert result.exit_code == 1 and reason in result.stderr and not out.exists()
    made = json.loads(run("edit", plain, "-o", out, option, text, "--json").stdout)
    assert reason in made["error"]["message"]
    forced = run("edit", plain, "-o", out, option, text, "--force")
    assert forced.exit_code == 0 and f"forced: {NET}" in forced.stderr and out.exists()


def test_what_a_destination_would_refuse(plain: Path, tmp_path: Path) -> None:
    """With --against or --qemu the result is checked, before anything is written."""
    out = tmp_path / "out"
    assert run("edit", plain, "-o", out, "--set", MAC, "--qemu", "10.0.13").exit_code == 0 and out.exists()
    out.unlink()
    reason = "QEMU 11.1, refused: 0000:00:03.0/virtio-console: VQ 0 vring.num 1024 exceeds allocated max 128"
    result = run("edit", plain, "-o", out, "--set", MAC, "--qemu", "11.1")
    assert result.exit_code == 1 and reason in result.stderr and not out.exists()
    assert reason in run_json("edit", plain, "-o", out, "--set", MAC, "--qemu", "11.1", code=1)["error"]["message"]
    forced = run("edit", plain, "-o", out, "--set", MAC, "--qemu", "11.1", "--force")
    assert forced.exit_code == 0 and f"forced: {reason}" in forced.stderr and mac_of(out) == "52:54:00:aa:bb:cc"
    again = run_json("edit", plain, "--dry-run", "--set", MAC, "--against", f"stream:{SAMPLE}", "--force")
    assert again["forced"] == []


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--set", "mac=1"),
        ("--set", "virtio-net:mac"),
        ("--set", "virtio-net:mac=1"),
        ("--set", "virtio-gpu:mac=1"),
        ("--add", "virtio-net:wings"),
        ("--insert", "virtio-net:mac_table.macs=02:00:00:00:00:01"),
    ],
)
def test_wrong_usage(plain: Path, tmp_path: Path, args: tuple[str, ...]) -> None:
    result = run("edit", plain, "-o", tmp_path / "out", *args)
    assert result.exit_code == 2 and result.stderr and not (tmp_path / "out").exists()


def test_where_to_must_be_said(plain: Path, tmp_path: Path) -> None:
    assert run("edit", plain, "--set", MAC).exit_code == 2
    assert run("edit", plain, "--in-place", "-o", tmp_path / "out", "--set", MAC).exit_code == 2
    assert run("edit", "-", "--in-place", "--set", MAC, stdin=sample_bytes()).exit_code == 2
    assert run("edit", plain, "-o", tmp_path / "no" / "folder", "--set", MAC).exit_code == 2


def test_unreadable_input(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(sample_bytes()[:400_000])
    assert run("edit", tmp_path / "cut", "-o", tmp_path / "out", "--set", MAC).exit_code == 3
    assert not (tmp_path / "out").exists()
