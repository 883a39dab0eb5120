"""A real QEMU for a test: firmware only, no network of the host, driven over QMP on a socket of its own.

Which QEMU: `qemu-system-x86_64` on PATH, and those that ``VNETMIG_QEMU_<version>`` name, such as
``VNETMIG_QEMU_10_0=/opt/qemu-10.0/bin/qemu-system-x86_64``; ``lab/qemus`` fetches some and says their variables.

``replay`` loads a committed capture of a Linux guest without that guest: of its RAM only the ring pages are needed.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import lzma
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # a socket that is not there yet is no news

BINARY = "qemu-system-x86_64"
BINARIES = {
    "PATH": BINARY,
    **{
        name.removeprefix("VNETMIG_QEMU_").replace("_", "."): path
        for name, path in sorted(os.environ.items())
        if name.startswith("VNETMIG_QEMU_")
    },
}
"""By version; that on PATH is tested always."""
OUTERMOST = {name: BINARIES[name] for name in ("PATH", list(BINARIES)[-1])}
"""Two of them at most: for what takes long, and is the same in all between."""


def binary_of(version: str) -> str:
    """One of BINARIES, or the test is skipped; it fails where QEMUs are required."""
    if version in BINARIES:
        return BINARIES[version]
    missing = f"no QEMU {version}: set VNETMIG_QEMU_{version.replace('.', '_')} (tests/qemu/lab/qemus fetches one)"
    if os.environ.get("VNETMIG_REQUIRE_QEMU"):
        pytest.fail(f"VNETMIG_REQUIRE_QEMU is set and there is {missing}", pytrace=False)
    pytest.skip(missing)


STREAMS = Path(__file__).resolve().parent.parent / "streams"
MACHINE = "pc,accel=tcg"
NETDEV = "user,id=n0,restrict=on"
NIC = "virtio-net-pci,netdev=n0,id=net0,mac=52:54:00:12:34:56,romfile="


class Qemu:
    """A paused or running machine with one virtio-net on user networking; ended when the block ends."""

    def __init__(
        self,
        folder: Path,
        *more: str,
        nic: str = NIC,
        netdev: str = NETDEV,
        binary: str = BINARY,
        machine: str = MACHINE,
        memory: str = "32M",
    ) -> None:
        self.socket = str(folder / f"qmp{len(list(folder.iterdir()))}")
        self.argv = [
            *(binary, "-nodefaults", "-display", "none", "-no-user-config", "-m", memory, "-cpu", "qemu64"),
            *("-machine", machine, "-netdev", netdev, "-device", nic),
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
            with contextlib.suppress(EOFError, OSError, QMPError):  # it may be gone before it has answered
                self.qmp.cmd("quit")
            with contextlib.suppress(EOFError, OSError, QMPError):
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

    @property
    def version(self) -> tuple[int, int]:
        found = self.do("query-version")["qemu"]
        return found["major"], found["minor"]

    @property
    def loses_vlans(self) -> bool:
        """5.2 and 7.2 clear the VLAN table behind loading it (qemu: virtio_net_set_features); 10.0 does not."""
        return self.version < (10, 0)


def captured(folder: Path, nic: str = NIC) -> Path:
    """A stream of a machine whose firmware has run for a moment."""
    path = folder / "captured.qemu"
    with Qemu(folder, nic=nic) as machine:
        time.sleep(1)
        machine.save(path)
    return path


CAPTURE = "linux-user-packed-q72"
_CAPTURED_MEMORY = 96 << 20


@contextlib.contextmanager
def replay(
    folder: Path,
    stream: Path,
    binary: str = BINARY,
    *more: str,
    capture: str = CAPTURE,
    nic: str = f"{NIC},packed=on",
    machine: str = "pc-i440fx-7.2",
) -> Iterator[Qemu]:
    """A machine that has loaded ``stream``, made from ``capture``: paused, with the capture's ring pages as its RAM."""
    pages = json.loads(lzma.decompress((STREAMS / capture / "rings.json.xz").read_bytes()))
    ram = folder / "ram"
    with ram.open("wb") as file:
        file.truncate(_CAPTURED_MEMORY)
        for address, page in pages.items():
            file.seek(int(address, 0))
            file.write(base64.b64decode(page))
    kernel = folder / "kernel"  # never booted: it brings the option ROM that the capture has
    kernel.write_bytes(bytes(8192))
    backend = f"memory-backend-file,id=ram0,size={_CAPTURED_MEMORY},mem-path={ram},share=on"
    with Qemu(
        folder,
        *("-object", backend, "-serial", "null", "-kernel", str(kernel), "-S", "-incoming", "defer", *more),
        nic=nic,
        binary=binary,
        machine=f"{machine},accel=tcg,memory-backend=ram0",
        memory="96M",
    ) as machine:
        ignore_shared = {"capability": "x-ignore-shared", "state": True}
        machine.do("migrate-set-capabilities", capabilities=[ignore_shared])
        machine.do("migrate-incoming", uri=f"exec:cat {stream}")
        machine.wait("query-migrate", "completed")
        yield machine
