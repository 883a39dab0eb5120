"""A disk that is full, or takes only the beginning: said in one line, and what stood there stands there still.

``capture``, ``serve`` and ``relay`` take a real QEMU: tests/qemu/test_capture.py, test_serve.py, relay/test_relay.py.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import command, stream_bytes

import vnetmig
from traces import checkpoint, event
from vnetmig.document.saving import replaced

ROOM = 200
"""Bytes that a file may have: less than any of these results."""
NET = "0000:00:03.0/virtio-net"
COMMAND = "qemu-system-x86_64 -M pc-i440fx-7.2 -nodefaults" + " -nic user,model=virtio" * 8


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with something for each verb to read."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "vm.qemu").write_bytes(stream_bytes("linux-user-legacy-q72"))
    (folder / "vm.sh").write_text(COMMAND + "\n")
    (folder / "source.log").write_text(event("save", NET, 356) + checkpoint("src-vm-stopped"))
    (folder / "destination.log").write_text(event("load", NET, 673))
    return folder


LOGS = ("downtime", "source.log", "destination.log")
WRITERS: dict[str, tuple[str, ...]] = {
    "inspect --html": ("inspect", "vm.qemu", "--html"),
    "recode": ("recode", "vm.qemu", "-o"),
    "recode .xz": ("recode", "vm.qemu", "-o"),
    "edit": ("edit", "vm.qemu", "--set", "virtio-net:mac=52:54:00:aa:bb:cc", "-o"),
    "profile": ("profile", "cmdline:vm.sh", "--qemu", "7.2", "-o"),
    "matrix --csv": ("matrix", "cmdline:vm.sh", "--qemu", "7.2", "--qemu", "10.0.2", "--csv"),
    "matrix --html": ("matrix", "cmdline:vm.sh", "--qemu", "7.2", "--html"),
    "downtime --html": (*LOGS, "--html"),
    "migrate --trace": ("migrate", "vm.qemu", "--mode", "stock", "--runs", "1", "--trace"),
}
SUFFIX = {"recode .xz": ".xz"}
SLOW = ("migrate --trace",)
"""Once is enough."""


def little_room() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


def ran(
    given: Path, *args: str | Path, before: Callable[[], None] | None = None, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), cwd=given, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=300, preexec_fn=before
    )


@pytest.mark.parametrize("verb", ["recode", "profile", "migrate --trace"])
def test_a_device_that_is_full(verb: str, given: Path) -> None:
    run = ran(given, *WRITERS[verb], "/dev/full")
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == "Error: cannot write /dev/full: No space left on device"
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(
    ("verb", "old"), [("recode", None), *((verb, b"as before") for verb in WRITERS if verb not in SLOW)]
)
def test_a_disk_that_takes_the_beginning(verb: str, old: bytes | None, given: Path, tmp_path: Path) -> None:
    target = tmp_path / ("out" + SUFFIX.get(verb, ""))
    if old is not None:
        target.write_bytes(old)
        target.chmod(0o640)
    run = ran(given, *WRITERS[verb], target, before=little_room)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == f"Error: cannot write {target}: File too large"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == ({} if old is None else {target.name: old})
    if old is not None:
        assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "args",
    [
        ("inspect", "vm.qemu"),
        ("inspect", "vm.qemu", "--json"),
        ("profile", "cmdline:vm.sh", "--qemu", "7.2", "-o", "-"),
    ],
    ids=" ".join,
)
def test_output_that_nobody_can_keep(args: tuple[str, ...], given: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        run = ran(given, *args, stdout=full)
    finally:
        os.close(full)
    assert run.returncode == 3
    assert run.stderr == "vnetmig: standard output: No space left on device\n"


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz"])
def test_save(suffix: str, tmp_path: Path) -> None:
    stream = vnetmig.load(stream_bytes("linux-user-legacy-q72"))
    target = tmp_path / f"vm.qemu{suffix}"
    target.write_bytes(b"as before")
    with only(ROOM), pytest.raises(OSError, match="File too large"):
        stream.save(target)
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(target, b"as before")]
    stream.save(target)
    assert vnetmig.load(target).encode() == stream.encode()


def test_a_small_file_system(tmp_path: Path) -> None:
    """What `RLIMIT_FSIZE` cannot show: the last block is gone when the file is closed."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, text=True)
    if mount.returncode:
        if os.environ.get("VNETMIG_REQUIRE_MOUNT"):
            pytest.fail(f"VNETMIG_REQUIRE_MOUNT is set and there is no mount: {mount.stderr}", pytrace=False)
        pytest.skip(f"no right to mount: {mount.stderr.strip()}")
    try:
        target = folder / "vm.qemu"
        target.write_bytes(b"as before")
        stream = vnetmig.load(stream_bytes("linux-user-legacy-q72"))
        with pytest.raises(OSError, match="No space left on device"):
            stream.save(target)
        with pytest.raises(OSError, match="No space left on device"), replaced(target) as file:
            file.write(bytes(100_000))
        assert [(path, path.read_bytes()) for path in folder.iterdir()] == [(target, b"as before")]
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def only(size: int) -> Iterator[None]:
    """Files of this process may have ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
