"""What a management layer can ask and set before, during and after a migration.

Knows capabilities, device properties and QEMU's names for the states of a migration; from what is switched on follows
the mode. Knows no channel: whoever drives the source that ``start`` gives has one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from vnetmig.errors import MigrationError
from vnetmig.migration.capabilities import (
    DELTA,
    EARLY,
    HANDOVER,
    IGNORE_SHARED,
    MAPPED_RAM,
    PREHEAT,
    SWITCHOVER_ACK,
    USED_QUEUES,
    VIRTIO_ITERATIVE,
    CapabilitySet,
)
from vnetmig.migration.machine import Machine
from vnetmig.migration.modes import MODES, Mode
from vnetmig.migration.modes.early import Early
from vnetmig.migration.options import DEFAULTS, Options
from vnetmig.migration.properties import EARLY_MIG, DeviceProperties
from vnetmig.migration.source import Source
from vnetmig.migration.source_states import FINAL, State
from vnetmig.virtio.used_queues import BITMAP

#                        mode             QEMU's way to switch it on
_BY_CAPABILITY: Final = {
    VIRTIO_ITERATIVE: "iterative",
    DELTA: "iterative-delta",
    PREHEAT: "preheat-all",
    EARLY: "early",
}

_NOT_HERE: Final = (IGNORE_SHARED, "validate-uuid", MAPPED_RAM)
"""Capabilities that a recorded machine has or has not: nothing here could act on them."""

GONE: Final = "Can't migrate the vm that was paused due to previous migration"
"""qemu: migration/migration.c:migrate_prepare"""

#                      state                    qemu: qapi/migration.json:MigrationStatus
STATUS: Final[dict[State, str]] = {
    State.HEADER: "setup",
    State.SETUP: "setup",
    State.ITERATE: "active",
    State.FLUSH: "active",
    State.ACK: "active",
    State.SWITCHOVER: "device",
    State.COMPLETE_ITERABLE: "device",
    State.COMPLETE: "device",
    State.CONFIRM: "device",
    State.ASK: "device",
    State.VERIFY: "device",
    State.RESEND: "device",
    State.START: "device",
    State.STARTING: "device",
    State.DONE: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.IN_DOUBT: "in-doubt",  # none of QEMU's: there a source that lost its destination goes on by itself
}


class MigrationControl:
    """The control of one machine's migrations out.

    ``capabilities`` and ``properties`` (by device path) are queried and set; both are pinned while a migration runs.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.capabilities = CapabilitySet()
        self.properties: dict[str, DeviceProperties] = {}
        self.source: Source | None = None
        for net in machine.nets():
            path = net.idstr.rpartition("/")[0]
            self.properties[path] = DeviceProperties(path, "virtio-net-pci", machine.machine_type)

    def mode(self) -> Mode:
        """The mode that follows from what is on. MigrationError when two things exclude each other."""
        on = [name for name in self.capabilities.on if name in _BY_CAPABILITY]
        wanted = [_BY_CAPABILITY[name] for name in on]
        early = [path for path, properties in self.properties.items() if properties.get(EARLY_MIG)]
        refused = [name for name in self.capabilities.on if name in _NOT_HERE]
        if refused:
            raise MigrationError(f"capability '{refused[0]}' cannot be acted on here: a machine has it or not")
        if early and "early" not in wanted:
            on.append(f"{EARLY_MIG} of {early[0]}")
            wanted.append("early")
        if len(wanted) > 1:
            raise MigrationError(f"'{on[0]}' and '{on[1]}' exclude each other: switch one of them off")
        if early:
            return Early(frozenset(early))
        return MODES[wanted[0] if wanted else "stock"]

    def start(self, options: Options = DEFAULTS, **keywords: Any) -> Source:
        """A source for the machine in the mode that follows; ``keywords`` are those of Source.

        MigrationError when a migration runs already, or something does not fit.
        """
        self._look()
        if self.capabilities.active:
            raise MigrationError("There's a migration process in progress")
        if self.source is not None and self.source.state not in (State.FAILED, State.CANCELLED):
            raise MigrationError(GONE)
        on = self.capabilities.on
        options = replace(
            options,
            handover=options.handover or HANDOVER in on,
            switchover_ack=options.switchover_ack or SWITCHOVER_ACK in on,
            used_queues=options.used_queues or (BITMAP if USED_QUEUES in on else None),
        )
        self.source = Source(self.machine, self.mode(), options=options, **keywords)
        self.capabilities.active = True
        for properties in self.properties.values():
            properties.realize()
        return self.source

    def set_capabilities(self, wanted: dict[str, bool]) -> None:
        """As QMP's migrate-set-capabilities: all of them or none."""
        self._look()
        self.capabilities.set(wanted)

    def query(self) -> dict[str, object]:
        """As QMP's query-migrate: the status in QEMU's words, the mode, and what went wrong."""
        self._look()
        if self.source is None:
            return {"status": "none"}
        found: dict[str, object] = {
            "status": STATUS[self.source.state],
            "mode": self.source.mode.name,
            "owner": self.source.owner,
        }
        if self.source.error is not None:
            found["error-desc"] = str(self.source.error)
        return found

    def cancel(self) -> None:
        """As QMP's migrate_cancel: nothing happens when none runs; MigrationError when it is too late."""
        if self.source is not None and self.source.state not in FINAL:
            self.source.cancel()

    def _look(self) -> None:
        if self.source is not None and self.source.state in FINAL:
            self.capabilities.active = False
