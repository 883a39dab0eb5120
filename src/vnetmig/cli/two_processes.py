"""A destination in a process of its own, started for one migration and always reaped.

Knows processes and addresses; what travels between the two is the migration layer's.
"""

from __future__ import annotations

import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vnetmig.channel.opening import connect
from vnetmig.errors import MigrationError
from vnetmig.migration.machine import Machine
from vnetmig.migration.run import MigrationOutcome, send_migration
from vnetmig.stream.guest_memory import GuestMemory

LISTENING = "listening on "
"""What a destination says on stderr when a source may connect; the address follows."""

START_SECONDS = 30.0
"""A destination that says nothing for so long will not say anything."""

STOP_SECONDS = 5.0


def migrate_once(
    machine: Machine,
    mode: str,
    channel: str,
    *,
    memory: GuestMemory | None = None,
    engine: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> MigrationOutcome:
    """One migration of ``machine`` to a fresh process, over a socket of the kind ``channel``."""
    with _destination(channel, engine) as address, connect(address) as connection:
        return send_migration(connection, machine, mode, engine=engine, memory=memory, progress=progress)


@contextmanager
def _destination(channel: str, engine: str | None) -> Iterator[str]:
    """The address of a destination that listens. It is gone when this ends, however it ends."""
    with tempfile.TemporaryDirectory(prefix="vnetmig-") as folder:
        where = f"unix:{Path(folder) / 'destination'}" if channel == "unix" else "tcp:127.0.0.1:0"
        command = [sys.executable, "-m", "vnetmig", "migrate", "--incoming", where, "--warm-up"]
        if engine is not None:
            command += ["--engine", engine]
        # subprocess, never fork: the source may have threads, and a destination must start from nothing.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            yield _heard_address(process)
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # the source has its result; what the destination still does is of no use
        finally:
            _reap(process)


def _heard_address(process: subprocess.Popen[str]) -> str:
    said = process.stderr
    assert said is not None
    lines: list[str] = []
    until = time.monotonic() + START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(said, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            line = said.readline()
            if line.startswith(LISTENING):
                return line.removeprefix(LISTENING).strip()
            if not line:
                break
            lines.append(line.rstrip())
    reason = "; ".join(lines) or f"nothing heard of it for {START_SECONDS:g} s"
    raise MigrationError(f"the destination process did not start: {reason}")


def _reap(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stderr is not None:
        process.stderr.close()
