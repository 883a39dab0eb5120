"""A real QEMU for a test: firmware only, no network of the host, driven over QMP on a socket of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from qemu.qmp.legacy import QEMUMonitorProtocol

logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # a socket that is not there yet is no news

BINARY = "qemu-system-x86_64"
MACHINE = "pc,accel=tcg"
NIC = "virtio-net-pci,netdev=n0,id=net0,mac=52:54:00:12:34:56,romfile="


class Qemu:
    """A paused or running machine with one virtio-net on user networking; ended when the block ends."""

    def __init__(self, folder: Path, *more: str, nic: str = NIC) -> None:
        self.socket = str(folder / f"qmp{len(list(folder.iterdir()))}")
        self.argv = [
            *(BINARY, "-nodefaults", "-display", "none", "-no-user-config", "-m", "32M", "-cpu", "qemu64"),
            *("-machine", MACHINE, "-netdev", "user,id=n0,restrict=on", "-device", nic),
            *("-qmp", f"unix:{self.socket},server=on,wait=off", *more),
        ]

    def __enter__(self) -> Qemu:
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while True:
            self.qmp = QEMUMonitorProtocol(self.socket)
            try:
                self.qmp.connect()
                return self
            except Exception:
                if self.process.poll() is not None:
                    pytest.fail(
                        f"{' '.join(self.argv)}\nended: {self.process.communicate()[1].decode()}", pytrace=False
                    )
                assert time.monotonic() < deadline, "no QMP after 20 s"
                time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with contextlib.suppress(EOFError):  # it may be gone before it has answered
                self.qmp.cmd("quit")
            with contextlib.suppress(EOFError):
                self.qmp.close()
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.communicate()

    def do(self, command: str, **arguments: Any) -> Any:
        """A QMP command; arguments with `_` for `-`."""
        return self.qmp.cmd(command, **{name.replace("_", "-"): value for name, value in arguments.items()})

    def save(self, path: Path) -> None:
        """Stop the machine and migrate it into a file."""
        self.do("stop")
        self.do("migrate", uri=f"exec:cat > {path}")
        self.wait("query-migrate", "completed")

    def wait(self, query: str, status: str) -> None:
        """Until ``query`` says ``status``."""
        deadline = time.monotonic() + 30
        while (answer := self.do(query)).get("status") != status:
            assert answer.get("status") != "failed", json.dumps(answer)
            assert time.monotonic() < deadline, json.dumps(answer)
            time.sleep(0.02)

    def rx_filter(self) -> dict[str, Any]:
        """query-rx-filter of the one NIC."""
        return dict(self.do("query-rx-filter")[0])
