"""`vnetmig diff`: text, JSON, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import SAMPLE, STREAMS, run, run_json, sample_bytes

import vnetmig

NET = "0000:00:04.0/virtio-net"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The sample with another address, one more VLAN and one more feature."""
    stream = vnetmig.load(vnetmig.sample())
    net = stream.device("virtio-net")
    net.mac = "52:54:00:aa:bb:cc"
    net.vlans |= {42}
    net.guest_features |= 1 << 56
    stream.save(tmp_path / "changed.qemu.xz")
    return tmp_path / "changed.qemu.xz"


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The sample a moment later."""
    stream = vnetmig.load(vnetmig.sample())
    stream.device("virtio-net").queues[0].last_avail_idx += 3
    stream.device("timer")["cpu_clock_offset"] = 1 << 40
    stream.save(tmp_path / "later.qemu")
    return tmp_path / "later.qemu"


def test_identical() -> None:
    result = run("diff", SAMPLE, SAMPLE)
    assert (result.exit_code, result.stdout) == (0, "identical\n")


def test_text(changed: Path) -> None:
    result = run("diff", SAMPLE, changed)
    assert result.exit_code == 1
    text = result.stdout
    assert "guest_features  only in b: VIRTIO_NET_F_HOST_USO" in text
    assert "vlans           only in b: 42" in text and "vlans[1]" not in text
    assert "52:54:00:12:34:56  52:54:00:aa:bb:cc" in text
    assert "only here: VIRTIO_NET_F_HOST_USO" in text
    assert "first byte that differs: 0x680d2" in text and f"{NET}, mac" in text


def test_json(changed: Path) -> None:
    made = run_json("diff", SAMPLE, changed, code=1)
    assert (made["identical"], made["equal"]) == (False, False)
    (section,) = made["sections"]
    fields = {field["path"]: field for field in section["fields"]}
    assert fields["mac"]["a"]["value"] == "52:54:00:12:34:56"
    assert fields["mac"]["b"]["offset"] == fields["mac"]["a"]["offset"]
    assert fields["vlans[1]"]["only_b"] == ["vlan 42"]
    assert made["first"]["a"]["section"] == NET


def test_churn_is_counted_and_shown_when_asked_for(later: Path) -> None:
    result = run("diff", SAMPLE, later)
    assert result.exit_code == 0
    assert "churn: 2 fields that time alone changes" in result.stdout and "nothing else differs" in result.stdout
    assert "last_avail_idx" not in result.stdout
    shown = run("diff", SAMPLE, later, "--churn")
    assert shown.exit_code == 0 and "vq[0].last_avail_idx  (ring indices)" in shown.stdout
    made = run_json("diff", SAMPLE, later)
    assert made["equal"] and {f["churn"] for s in made["sections"] for f in s["fields"]} == {"ring indices", "clocks"}


def test_one_device(changed: Path, later: Path) -> None:
    assert run("diff", SAMPLE, changed, "timer").exit_code == 0
    assert run("diff", SAMPLE, changed, "virtio-net").exit_code == 1
    assert run("diff", SAMPLE, later, "cpu#1").stdout == "identical\n"


def test_two_versions_of_qemu() -> None:
    names = ("linux-user-1q-ping-q52", "linux-user-legacy-q72")
    result = run("diff", *(STREAMS / name / "stream.bin.xz" for name in names))
    assert result.exit_code == 1
    assert "pc-i440fx-5.2" in result.stdout and "section id" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())


def test_stdin(changed: Path) -> None:
    assert run_json("diff", "-", changed, code=1, stdin=sample_bytes())["first"]["b"]["field"] == "mac"
    assert run("diff", "-", "-").exit_code == 2


def test_wrong_inputs(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(sample_bytes()[:400_000])
    assert run("diff", SAMPLE, tmp_path / "cut").exit_code == 3
    assert run("diff", SAMPLE, tmp_path / "missing").exit_code == 3
    assert run("diff", SAMPLE, SAMPLE, "virtio-gpu").exit_code == 2
