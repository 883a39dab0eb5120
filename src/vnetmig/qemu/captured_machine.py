"""A running QEMU that is captured: what it was before, what it is told, and when it is that again.

Knows QMP's commands and run states (qemu: qapi/migration.json, qapi/run-state.json); knows no stream.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any, Final

from vnetmig.analysis.release import Release
from vnetmig.errors import MigrationError, QemuError
from vnetmig.qemu.qmp_session import Asked, QmpSession

PATIENCE: Final = 30.0
"""Seconds that QEMU may take to let its machine go on."""
LOOK: Final = 0.005
NAME: Final = "vnetmig-capture"
"""What the descriptor is called at QEMU's end."""
UNHARMED: Final = "the machine goes on as it was"
NAMED_FILES_ONLY: Final = Release(8, 2)
"""Since then x-ignore-shared leaves out only RAM that is a file with a name (qemu: system/physmem.c)."""

_ACTIVE: Final = frozenset(
    {"setup", "cancelling", "active", "postcopy-active", "postcopy-device", "postcopy-paused", "postcopy-recover-setup"}
    | {"postcopy-recover", "pre-switchover", "device", "colo", "wait-unplug"}
)


class Machine:
    """The QEMU, as it was before and as it is."""

    def __init__(self, session: QmpSession) -> None:
        self.session = session
        version = session.execute("query-version")["qemu"]
        self.release = Release(version["major"], version["minor"], version["micro"])
        status = session.execute("query-status")
        self.before: str = status["status"]
        self.after = self.before
        self.running = bool(status["running"])
        self.ram = "whole"
        self.notes: list[str] = []
        self._stopped: float | None = None
        self._resumed: float | None = None

    def settle(self, ram: bool) -> None:
        """Refuse what QEMU would refuse, before anything is changed."""
        told = self.session.execute("query-migrate")
        if told.get("status") in _ACTIVE:
            raise MigrationError(
                f"There's a migration process in progress: {told['status']}\n  it goes on; this one was not begun"
            )
        if told.get("blocked-reasons"):
            raise MigrationError("this machine cannot be migrated:\n  " + "\n  ".join(told["blocked-reasons"]))
        refused = _REFUSED.get(self.before)
        if refused is not None:
            raise MigrationError(f"{refused}: query-status says {self.before}")
        if not ram:
            self.ram = "ignored" if _all_shared(self.session, self.release) else "dropped"

    def migrate(self) -> socket.socket:
        """Our end of the pair. The migration has begun."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self.session.listen_for("STOP", "RESUME")
                self.session.give(theirs.fileno(), NAME)
            try:
                self.session.execute("migrate", uri=f"fd:{NAME}")
            except QemuError:
                with suppress(QemuError):  # it has taken the descriptor when it began
                    self.session.execute("closefd", fdname=NAME)
                raise
        except BaseException:
            ours.close()
            raise
        return ours

    def status(self) -> dict[str, Any]:
        return dict(self.session.execute("query-migrate"))

    def settled(self, session: QmpSession) -> dict[str, Any]:
        """Wait until the migration is over, and the machine is as it was; what query-migrate says then. Asked over
        ``session``, which takes the place of one that may be gone."""
        self.session = session
        until = time.monotonic() + PATIENCE
        while (told := self.status()).get("status") in _ACTIVE:
            if time.monotonic() > until:
                raise QemuError(f"the migration is still {told['status']} after {PATIENCE:g} s: migrate_cancel ends it")
            time.sleep(LOOK)
        if told.get("status") == "completed" and self.running:  # it did not wait for a SHUT
            session.execute("cont")
        between = ("finish-migrate", "postmigrate") if self.running else ("finish-migrate",)
        while (now := session.execute("query-status")["status"]) in between:
            if time.monotonic() > until:
                raise QemuError(f"the machine is {now} after {PATIENCE:g} s: cont lets it go on")
            time.sleep(LOOK)
        self.after = now
        if now == "postmigrate" and now != self.before:  # qemu: up to 8.0 the state before is forgotten
            self.notes.append(
                f"QEMU {self.release} calls a machine that was {self.before} postmigrate now: cont goes on as ever,"
                " but until then it refuses to migrate"
            )
        self._hear(session)
        return told

    def _hear(self, session: QmpSession) -> None:
        for event in session.heard():
            at = event["timestamp"]["seconds"] + event["timestamp"]["microseconds"] / 1e6
            if event["event"] == "STOP":
                self._stopped = at
            else:
                self._resumed = at

    def blackout(self) -> float | None:
        return None if self._stopped is None or self._resumed is None else self._resumed - self._stopped


_REFUSED: Final = {
    "inmigrate": "Guest is waiting for an incoming migration",
    "postmigrate": "Can't migrate the vm that was paused due to previous migration\n  cont would let it run here again",
    "finish-migrate": "There's a migration process in progress",
    "save-vm": "a snapshot is being saved",
    "restore-vm": "a snapshot is being loaded",
    "preconfig": "this machine is not made yet",
    "colo": "this machine is one side of COLO",
}


def _all_shared(qmp: Asked, release: Release) -> bool:
    """Would x-ignore-shared leave the guest's RAM where it is?"""
    kinds = {entry["name"]: entry["type"] for entry in qmp.execute("qom-list", path="/objects")}
    backends = qmp.execute("query-memdev")
    named = release < NAMED_FILES_ONLY
    return bool(backends) and all(
        backend.get("share") and (named or "memory-backend-file" in kinds.get(backend.get("id", ""), ""))
        for backend in backends
    )
