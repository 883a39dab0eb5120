"""A destination in a process of its own, started for one migration and always reaped.

Knows processes, addresses, and what a destination prints; what travels between the two is the migration layer's.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vnetmig.errors import MigrationError
from vnetmig.report.afterwards import JSON_MAX, Afterwards, read_afterwards

LISTENING = "listening on "
"""What a destination says on stderr when a source may connect; the address follows."""

START_SECONDS = 60.0
"""A destination that says nothing for so long will not say anything."""

LOOK_SECONDS = 0.01
"""How often what it says is looked at until then."""

HEARD_MAX = 1 << 16
"""Bytes on stderr within which the address stands."""

STOP_SECONDS = 30.0
"""A guest has made its steps by then, or never will."""


@dataclass(frozen=True, slots=True)
class DestinationProcess:
    """One that listens at ``address``. ``afterwards`` is what it then says became of the machine."""

    address: str
    _process: subprocess.Popen[bytes]
    _said: Path

    def afterwards(self) -> Afterwards:
        """Waits for its end. MigrationError when there is none, or nothing that can be used was said."""
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise MigrationError(f"the destination process still goes on after {STOP_SECONDS:g} s") from None
        with self._said.open("rb") as file:
            return read_afterwards(file.read(JSON_MAX + 1))


@contextmanager
def destination_process(
    channel: str, arguments: Sequence[str] = (), *, command: Sequence[str] = (sys.executable, "-m", "vnetmig")
) -> Iterator[DestinationProcess]:
    """A fresh one that listens on a socket of the kind ``channel``; it is gone when this ends, however it ends.

    ``arguments`` are more of its command line, ``command`` is who understands them.
    """
    with tempfile.TemporaryDirectory(prefix="vnetmig-") as name:
        folder = Path(name)
        where = f"unix:{folder / 'destination'}" if channel == "unix" else "tcp:127.0.0.1:0"
        # It prints to files: there is nobody who reads a pipe while the migration is on, and a full one would hold the
        # guest. And subprocess, never fork: the source has threads, and a destination must start from nothing.
        said, noted = folder / "said", folder / "noted"
        with said.open("wb") as stdout, noted.open("wb") as stderr:
            process = subprocess.Popen(
                [*command, "migrate", "--incoming", where, "--json", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        try:
            yield DestinationProcess(_heard_address(process, noted), process, said)
        finally:
            _reap(process)


def _heard_address(process: subprocess.Popen[bytes], noted: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while True:
        # Asked before the file is read: what was said last is in there then.
        last = process.poll() is not None or time.monotonic() >= until
        with noted.open("rb") as file:
            lines = file.read(HEARD_MAX).decode(errors="replace").splitlines(keepends=True)
        for line in lines:
            if line.startswith(LISTENING) and line.endswith("\n"):
                return line.removeprefix(LISTENING).strip()
        if last:
            break
        time.sleep(LOOK_SECONDS)
    reason = "; ".join(line.rstrip() for line in lines)
    if not reason and process.returncode is not None:
        reason = f"it ended with exit code {process.returncode} and said nothing"
    raise MigrationError(
        f"the destination process did not start: {reason or f'nothing heard of it for {START_SECONDS:g} s'}"
    )


def _reap(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
