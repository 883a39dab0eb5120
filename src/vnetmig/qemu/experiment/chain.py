"""A guest that is migrated from process to process: each the destination of one migration and the source of the next.

Knows how one migration is done and what counts as done. Arms of equal hardware share a chain; of two chains one rests.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from vnetmig.errors import MigrationError, QemuError
from vnetmig.qemu.experiment.arm import Arm
from vnetmig.qemu.experiment.command_line import command_line
from vnetmig.qemu.experiment.instance import POLL_SECONDS, Instance
from vnetmig.qemu.experiment.interruption import Pause
from vnetmig.qemu.experiment.journal import Journal
from vnetmig.qemu.experiment.plan import Plan

READY_SECONDS: Final = 120.0
MIGRATION_SECONDS: Final = 300.0
RUNNING_SECONDS: Final = 30.0

_RUNS: Final = {"running"}
_OVER: Final = {"completed", "failed", "cancelled"}


class Chain:
    """``scratch``: a folder for sockets and consoles. ``first_side``: the first of its two places in the network."""

    def __init__(
        self, plan: Plan, hardware: Arm, journal: Journal, scratch: Path, first_side: int, pause: Pause
    ) -> None:
        self._plan = plan
        self._arms = [arm for arm in (plan.off, plan.on) if arm.hardware == hardware]
        self._hardware = hardware
        self._journal = journal
        self._scratch = scratch
        self._first_side = first_side
        self._pause = pause
        self._parity = 0
        self._current: Instance | None = None
        self._ended = ExitStack()

    def end(self) -> None:
        """No process of it is left. It can be migrated again: with a new guest."""
        self._current = None
        self._ended.close()

    def rest(self) -> None:
        """The guest stands still while another one is measured."""
        if self._current is not None:
            try:
                self._current.qmp.execute("stop")
            except QemuError as error:
                raise _broken(error, self._current) from error

    def hop(self, arm: Arm) -> dict[str, Any]:
        """Migrate once more; what is known of it. MigrationError, after which the chain has to be ended.

        QemuError when there was no guest yet, and it does not come up.
        """
        if self._current is None:
            current = self._boot()
            self._current = current
            # What a guest does first after its boot is in no migration that counts.
            self._hop(current, arm)
        return self._hop(self._current, arm)

    def _hop(self, source: Instance, arm: Arm) -> dict[str, Any]:
        machines = [source]
        try:
            if source.status() == "paused":  # it rested
                source.qmp.execute("cont")
                self._pause(self._plan.settle)
            _alive(source)
            destination = self._start(incoming=True)
            machines.append(destination)
            return self._migrate(source, destination, arm)
        except QemuError as error:
            raise _broken(error, *machines) from error

    def _start(self, incoming: bool) -> Instance:
        name = self._journal.next_process()
        qmp, console = self._scratch / f"{name}.qmp", self._scratch / f"{name}.console"
        side = self._first_side + self._parity
        self._parity ^= 1
        log = str(self._journal.folder / f"{name}.log")
        line = command_line(
            self._plan, self._hardware, side=side, qmp=str(qmp), log=log, console=str(console), incoming=incoming
        )
        return self._ended.enter_context(
            Instance(line, name, str(qmp), console, self._scratch / f"{name}.said", self._pause)
        )

    def _boot(self) -> Instance:
        source = self._start(incoming=False)
        for arm in self._arms:  # what this QEMU does not have is said before anything is waited for
            source.configure(arm, self._arms)
        ready = self._plan.ready
        if ready is not None:
            deadline = time.monotonic() + READY_SECONDS
            while ready.encode() not in source.console.read_bytes():
                if source.ended:
                    raise QemuError(f"the guest ended before it said '{ready}'{source.end()}{_last_words(source)}")
                if time.monotonic() > deadline:
                    raise QemuError(f"the guest did not say '{ready}' in {READY_SECONDS:g} s{_last_words(source)}")
                self._pause(POLL_SECONDS)
        self._pause(self._plan.settle)
        return source

    def _migrate(self, source: Instance, destination: Instance, arm: Arm) -> dict[str, Any]:
        source.configure(arm, self._arms)
        destination.configure(arm, self._arms)
        address = f"unix:{self._scratch / destination.name}.migration"
        destination.qmp.execute("migrate-incoming", uri=address)
        load = os.getloadavg()[0]
        source.qmp.execute("migrate", uri=address)
        told = _completed(source, destination, self._pause)
        _until_running(destination, self._pause)
        source.quit()
        self._pause(self._plan.settle)
        _alive(destination)
        self._current = destination
        ram = told.get("ram", {})
        return {
            "src": f"{source.name}.log",
            "dst": f"{destination.name}.log",
            "load": load,
            "downtime_ms": told.get("downtime"),
            "setup_ms": told.get("setup-time"),
            "total_ms": told.get("total-time"),
            "rounds": ram.get("dirty-sync-count"),
            "transferred": ram.get("transferred"),
            "run": "running",
            "alive": True,
            "accel": self._plan.accel,
            "nice": os.nice(0),
        }


def _completed(source: Instance, destination: Instance, pause: Pause) -> dict[str, Any]:
    deadline = time.monotonic() + MIGRATION_SECONDS
    while True:
        told = dict(source.qmp.execute("query-migrate"))
        if told.get("status") in _OVER:
            break
        if time.monotonic() > deadline:
            raise MigrationError(f"the migration is {told.get('status')} after {MIGRATION_SECONDS:g} s")
        pause(POLL_SECONDS)
    if told["status"] != "completed":
        destination.ended_soon()
        reason = told.get("error-desc", "no reason given")
        raise MigrationError(
            f"the migration {told['status']}: {reason}; the destination{destination.end() or ': nothing'}"
        )
    return told


def _until_running(destination: Instance, pause: Pause) -> None:
    deadline = time.monotonic() + RUNNING_SECONDS
    while (status := destination.status()) not in _RUNS:
        if destination.ended or time.monotonic() > deadline:
            raise MigrationError(f"the guest does not run at the destination: {status}{destination.end()}")
        pause(POLL_SECONDS)


def _broken(error: QemuError, *machines: Instance) -> MigrationError:
    """A connection that breaks is the end of a process, as a rule: then that is what is told."""
    ended = [f"{machine.name} ended{machine.end()}" for machine in machines if machine.ended_soon()]
    return MigrationError("\n  ".join([*ended, str(error)]))


def _alive(machine: Instance) -> None:
    if machine.ended:
        raise MigrationError(f"the guest is gone: {machine.name} ended{machine.end()}{_last_words(machine)}")
    status = machine.status()
    if status not in _RUNS:
        raise MigrationError(f"the guest does not run: {machine.name} is {status}{_last_words(machine)}")


def _last_words(machine: Instance) -> str:
    words = machine.console.read_bytes()[-400:].decode(errors="replace").strip() if machine.console.exists() else ""
    return f"\n  the console's last words: {words}" if words else ""
