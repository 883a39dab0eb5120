"""A tiny Linux in a real QEMU, ready about three seconds after it was started, that can be migrated live.

What the guest does is in ``lab/init``; its initial RAM disk is made once per process. It runs under TCG: that needs
nothing of the machine, and a guest that KVM runs is no other to the migration.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lab_network import ADDRESS, BITS, ECHO, GUEST
from real_qemu import BINARY, NIC, Qemu

LAB = Path(__file__).resolve().parent / "lab"
PACKAGES = "linux-image-cloud-amd64 busybox-static ethtool kmod cpio"
ON_LAB_NETWORK = f"lab.ip={GUEST}/{BITS} lab.gateway={ADDRESS} lab.echo={ADDRESS}:{ECHO}"
READY = "lab: READY"


@cache
def kernel() -> Path:
    found = sorted(Path("/boot").glob("vmlinuz-*-cloud-amd64"))
    return found[-1] if found else _missing("no cloud kernel in /boot")


@cache
def initramfs() -> Path:
    kernel()
    folder = tempfile.TemporaryDirectory(prefix="vnetmig-lab-")
    _kept.append(folder)
    output = Path(folder.name) / "initramfs"
    made = subprocess.run([LAB / "initramfs", output], capture_output=True, text=True)
    return output if made.returncode == 0 else _missing(made.stderr)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def _missing(what: str) -> Any:
    if os.environ.get("VNETMIG_REQUIRE_QEMU"):
        pytest.fail(f"VNETMIG_REQUIRE_QEMU is set: no Linux guest: {what} (packages: {PACKAGES})", pytrace=False)
    pytest.skip(f"no Linux guest: {what} (packages: {PACKAGES})")


class LinuxGuest(Qemu):
    """``options`` is what the guest is told (see lab/init); ``ram`` a file to share its memory by.

    A destination is started with ``"-incoming", "defer"`` among ``more``, its other arguments like the source's.
    """

    def __init__(
        self,
        folder: Path,
        *more: str,
        netdev: str = "user,id=n0",
        nic: str = NIC,
        options: str = "",
        binary: str = BINARY,
        machine: str = "pc,accel=tcg",
        memory: int = 96,
        cpus: int = 1,
        ram: Path | None = None,
    ) -> None:
        self.serial = folder / f"console{len(list(folder.iterdir()))}"
        self.serial.touch()
        if ram is not None:
            machine += ",memory-backend=ram0"
            more += ("-object", f"memory-backend-file,id=ram0,size={memory}M,mem-path={ram},share=on")
        super().__init__(
            folder,
            *("-kernel", str(kernel()), "-initrd", str(initramfs()), "-no-reboot", "-smp", str(cpus)),
            *("-append", f"console=ttyS0 quiet panic=-1 {options}", "-serial", f"file:{self.serial}", *more),
            nic=nic,
            netdev=netdev,
            binary=binary,
            machine=machine,
            memory=f"{memory}M",
        )
        self.shared = ram is not None

    def __enter__(self) -> LinuxGuest:
        super().__enter__()
        if self.shared:
            self.capabilities(x_ignore_shared=True)
        return self

    @property
    def console(self) -> str:
        """All that this instance has said; what the guest said before a migration is at the source's."""
        return self.serial.read_text(errors="replace")

    def ready(self, seconds: float = 60) -> None:
        self.until(lambda: READY in self.console, f"{READY!r} on the console", seconds)

    def said(self, what: str) -> int | None:
        """The last number that the guest said for ``what``: "tick" (it runs) or "echo" (its connection lives)."""
        found = re.findall(rf"^lab: {what} (\d+)\r?\n", self.console, re.MULTILINE)
        return int(found[-1]) if found else None

    def goes_on(self, *what: str, since: LinuxGuest | None = None, seconds: float = 30) -> None:
        """Wait until the guest has said more of each than it had, here or at the instance it came from."""
        before = {kind: (self if since is None else since).said(kind) for kind in what}
        for kind, number in before.items():
            least = -1 if number is None else number
            self.until(lambda kind=kind, least=least: (self.said(kind) or 0) > least + 1, f"{kind} > {least}", seconds)
        assert not self.failures(), self.failures()

    def failures(self) -> list[str]:
        return re.findall(r"^lab: FAILED .*", self.console, re.MULTILINE)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            tail = self.console[-200:]
            assert self.process.poll() is None, f"QEMU ended ({self.process.returncode}) before {what}; console: {tail}"
            assert time.monotonic() < deadline, f"no {what} after {seconds} s; console: {tail}"
            time.sleep(0.05)

    def capabilities(self, **states: bool) -> None:
        """Migration capabilities, with `_` for `-`."""
        wanted = [{"capability": name.replace("_", "-"), "state": state} for name, state in states.items()]
        self.do("migrate-set-capabilities", capabilities=wanted)

    def queues(self, device: str = "/machine/peripheral/net0/virtio-backend") -> list[dict[str, Any]]:
        """x-query-virtio-queue-status (since 7.2) of each queue that the guest has set up."""
        found = []
        for number in range(2 * 8 + 1):
            try:
                status = self.do("x-query-virtio-queue-status", path=device, queue=number)
            except Exception as error:  # the legacy client raises its own class of QMP's errors
                if "Invalid virtqueue number" not in str(error):
                    raise
                break
            if status["vring-desc"]:
                found.append(status)
        return found


def migrate(source: LinuxGuest, destination: LinuxGuest, listening: str, through: str | None = None) -> dict[str, Any]:
    """Live: to ``listening``, where the destination waits, or ``through`` what forwards to it; query-migrate's answer.

    The guest is at the destination then, and runs there.
    """
    destination.do("migrate-incoming", uri=listening)
    source.do("migrate", uri=through or listening)
    source.wait("query-migrate", "completed")
    destination.wait("query-status", "running")
    return dict(source.do("query-migrate"))
