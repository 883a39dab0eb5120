"""`vnetmig relay` as a process of its own, as people run it, and pairs of real QEMUs that migrate through it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from real_qemu import NIC, Qemu

RELAYS = int(os.environ.get("VNETMIG_RELAYS", "3"))
"""How often what must succeed every time is done."""
SECONDS = 60


class RelayProcess:
    """Listens when the block begins; ended when it ends, whatever happened."""

    def __init__(self, listen: str, connect: str, *options: str) -> None:
        self.listen = listen
        self.argv = [sys.executable, "-m", "vnetmig", "relay", "--listen", listen, "--connect", connect, "--json"]
        self.argv += options
        self.said: list[str] = []

    def __enter__(self) -> RelayProcess:
        self.process = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reader.start()
        first = lines.get(timeout=SECONDS)
        assert first.startswith("listening on "), first + "".join(self.said)
        return self

    def _read(self, lines: queue.Queue[str]) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            lines.put(line)
        lines.put("")

    def result(self) -> tuple[int, dict[str, Any]]:
        """(exit code, what it said in JSON) of a relay that ends by itself."""
        assert self.process.stdout is not None
        text = self.process.stdout.read()
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code, json.loads(text) if text else {}

    @property
    def errors(self) -> str:
        return "".join(self.said)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None and self.process.stderr is not None
        self._reader.join(SECONDS)
        self.process.stdout.close()
        self.process.stderr.close()


class Pair:
    """A source whose firmware has run, and a destination that waits at ``address``."""

    def __init__(self, folder: Path, source: Qemu, destination: Qemu) -> None:
        self.source = source
        self.destination = destination
        self.address = f"unix:{folder}/destination"
        self.through = f"unix:{folder}/relay"

    def capabilities(self, *names: str) -> None:
        states = [{"capability": name, "state": True} for name in names]
        for machine in (self.source, self.destination):
            machine.do("migrate-set-capabilities", capabilities=states)

    def slowly(self, bandwidth: int = 100_000) -> None:
        """So that the migration is still at guest memory when something happens to it."""
        self.source.do("migrate-set-parameters", max_bandwidth=bandwidth)

    def begin(self) -> None:
        self.source.do("migrate", uri=self.through)

    def relay(self, *options: str) -> RelayProcess:
        return RelayProcess(self.through, self.address, *options)

    def source_goes_on(self) -> dict[str, Any]:
        """The migration has failed, and the guest runs where it was; what QEMU says of the migration."""
        self.source.wait("query-migrate", "failed")
        self.source.wait("query-status", "running")
        return dict(self.source.do("query-migrate"))

    def destination_runs(self) -> None:
        self.source.wait("query-migrate", "completed")
        self.destination.wait("query-status", "running")


@contextlib.contextmanager
def pair(
    folder: Path, *capabilities: str, binary: str, nic: str = NIC, machine: str = "pc,accel=tcg", memory: str = "32M"
) -> Iterator[Pair]:
    """``nic`` is the destination's; the source has the usual one."""
    with (
        Qemu(folder, binary=binary, machine=machine, memory=memory) as source,
        Qemu(folder, "-incoming", "defer", binary=binary, nic=nic, machine=machine, memory=memory) as destination,
    ):
        made = Pair(folder, source, destination)
        made.capabilities(*capabilities)
        destination.do("migrate-incoming", uri=made.address)
        yield made


def command_line(folder: Path, nic: str) -> str:
    """A --check for a destination with ``nic``."""
    words = f"qemu-system-x86_64 -nodefaults -m 32M -cpu qemu64 -machine pc -netdev user,id=n0 -device {nic}"
    path = folder / f"command{len(list(folder.iterdir()))}"
    path.write_text(words)
    return f"cmdline:{path}"
