"""What a verb writes never destroys what it was given, and keeps what stood at its place as it was otherwise."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from command_line import run

import vnetmig
from vnetmig.document.saving import replaced

COMMAND = "qemu-system-x86_64 -M pc-i440fx-7.2 -nodefaults -nic user,model=virtio\n"


def test_a_page_is_not_written_over_its_stream(tmp_path: Path) -> None:
    stream = tmp_path / "vm.qemu"
    data = vnetmig.load(vnetmig.sample()).encode()
    stream.write_bytes(data)
    found = run("inspect", str(stream), "--html", str(stream))
    assert found.exit_code == 2
    assert stream.read_bytes() == data


@pytest.mark.parametrize("verb", [("profile", "-o"), ("matrix", "--csv"), ("matrix", "--html")])
def test_a_script_is_not_written_over(tmp_path: Path, verb: tuple[str, str]) -> None:
    script = tmp_path / "vm.sh"
    script.write_text(COMMAND)
    found = run(verb[0], f"cmdline:{script}", verb[1], str(script), "--qemu", "7.2")
    assert found.exit_code == 2
    assert script.read_text() == COMMAND


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.qemu", tmp_path / "link.qemu"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to(real)
    with replaced(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.qemu", "real.qemu"]


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with replaced(pipe) as file:
            file.write(b"new")
        assert os.read(reader, 10) == b"new"
        assert stat.S_ISFIFO(pipe.stat().st_mode)
    finally:
        os.close(reader)


def test_nothing_stands_there_when_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "vm.qemu"

    def write() -> None:
        with replaced(target) as file:
            file.write(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    assert list(tmp_path.iterdir()) == []
