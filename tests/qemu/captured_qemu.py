"""A running QEMU with a second QMP socket, for vnetmig, and what has to be as before when vnetmig has left it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from real_qemu import Qemu


def monitor(folder: Path, name: str = "monitor") -> tuple[str, tuple[str, str]]:
    """(address, QEMU's arguments for it): the test is on the other socket, and QEMU serves one client on each."""
    path = str(folder / name)
    return path, ("-qmp", f"unix:{path},server=on,wait=off")


def as_it_is(machine: Qemu) -> dict[str, Any]:
    """What a client of QMP could notice."""
    return {
        "status": machine.do("query-status")["status"],
        "filter": machine.rx_filter(),
        "capabilities": machine.do("query-migrate-capabilities"),
        "parameters": machine.do("query-migrate-parameters"),
    }


@contextlib.contextmanager
def goes_on(machine: Qemu) -> Iterator[None]:
    """Whatever happens inside, the machine is as before, at the latest a moment later."""
    before = as_it_is(machine)
    yield
    deadline = time.monotonic() + 10
    while as_it_is(machine) != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert as_it_is(machine) == before


@contextlib.contextmanager
def migrating(machine: Qemu) -> Iterator[None]:
    """A migration that takes its time, begun by somebody else."""
    machine.do("migrate-set-parameters", max_bandwidth=1000)
    machine.do("migrate", uri="exec:cat >/dev/null")
    machine.wait("query-migrate", "active")
    try:
        yield
    finally:
        machine.do("migrate_cancel")
        machine.wait("query-migrate", "cancelled")
        machine.do("migrate-set-parameters", max_bandwidth=128 << 20)
