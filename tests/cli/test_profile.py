"""`vnetmig profile`: a destination on the terminal, as TOML and as JSON; exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import SAMPLE, run, run_json

from vnetmig.qemu.specs import profile_from

COMMAND = (
    "qemu-system-x86_64 -M pc-q35-8.2 -nodefaults -netdev tap,id=n -device virtio-net-pci,netdev=n "
    "-device virtio-serial-pci -uuid 2f6b4a80-66e9-4b2f-8a5c-0a3fd4f0e2d1"
)


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "vm.sh"
    path.write_text(COMMAND)
    return f"cmdline:{path}"


def test_text(script: str) -> None:
    result = run("profile", script, "--qemu", "10.0.13")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    (nic,) = [line.split() for line in lines if line.startswith("0000:00:01.0/virtio-net")]
    assert nic[1:3] == ["tap", "1"] and nic[-1] == "0x1c0010179bfffe7"
    assert any(line.startswith("0000:00:02.0/virtio-console") and "64x1024" in line for line in lines)
    assert lines[lines.index("Assumed:") + 1].startswith("  0000:00:01.0/virtio-net: the kernel's tap takes UFO")


def test_toml(script: str, tmp_path: Path) -> None:
    target = tmp_path / "there.toml"
    result = run("profile", script, "--qemu", "10.0", "-o", target)
    assert result.exit_code == 0 and result.stderr.endswith("there.toml: written\n")
    assert profile_from(str(target)) == profile_from(script, "10.0")
    assert run("profile", script, "--qemu", "10.0", "-o", "-").stdout == target.read_text()
    assert run("profile", target).exit_code == 0


def test_json(script: str) -> None:
    made = run_json("profile", script, "--qemu", "7.2")
    assert made["qemu"] == "7.2" and made["complete"] and made["capabilities"] is None and made["host"] is None
    nic = made["devices"][0]
    assert nic["idstr"] == "0000:00:01.0/virtio-net" and nic["host_features"] == "0x10179bfffe7"
    assert "VIRTIO_NET_F_CSUM" in nic["host_feature_names"] and nic["queue_sizes"] == [256, 256, 64]
    assert made["ram"] == {"pc.ram": 128 << 20}


def test_of_a_stream() -> None:
    made = run_json("profile", f"stream:{SAMPLE}")
    assert made["qemu"] == "10.0.13"
    assert [device["queue_pairs"] for device in made["devices"] if device["kind"] == "virtio-net"] == [4]


def test_of_this_host() -> None:
    made = run_json("profile", "host", "--qemu", "10.0")
    assert made["host"]["kernel"] and made["devices"] == []
    assert "Host: Linux" in run("profile", "host", "--qemu", "10.0").stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nothing"], 2, "expected FILE.toml, cmdline:FILE"),
        (["self"], 2, "stream:FILE names one"),
        (["cmdline:/no/such"], 3, "/no/such: No such file"),
        (["qmp:/no/such"], 3, "qmp:/no/such: No such file"),
        (["host", "--qemu", "newest"], 2, "is no QEMU version"),
        ([f"cmdline:{SAMPLE}"], 2, "no QEMU command line"),
        (["host", "--qemu", "10.0", "-o", "/no/such/folder"], 2, "/no/such/folder"),
    ],
)
def test_what_goes_wrong(args: list[str], code: int, words: str) -> None:
    result = run("profile", *args)
    assert result.exit_code == code, result.stderr
    assert words in result.stderr
