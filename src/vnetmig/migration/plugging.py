"""Devices that come or go while a migration runs, which no stream can tell.

QEMU refuses device_add and device_del then (qemu: system/qdev-monitor.c). Whoever plugs by another way ends the
migration, and the source goes on with the devices that it has. Knows who is registered; knows no state of a migration.
"""

from __future__ import annotations

from collections.abc import Sequence

from vnetmig.errors import MigrationError
from vnetmig.migration.machine import Machine
from vnetmig.migration.registry import Registry


class Plugged:
    """What there was when the migration began."""

    def __init__(self, machine: Machine, registries: Sequence[Registry]) -> None:
        self._machine = machine
        self._registries = registries
        self._devices = self._now()
        self._generations = self._counted()

    def check(self) -> None:
        """MigrationError, in QEMU's words, when a device was plugged or unplugged since."""
        if len(self._machine.devices) == self._number and self._counted() == self._generations:
            return
        now = self._now()
        for name in self._devices:
            if name not in now:
                raise MigrationError(f"device_del not allowed while migrating\n  '{name[0]}' was unplugged")
        for name in now:
            if name not in self._devices:
                raise MigrationError(f"device_add not allowed while migrating\n  '{name[0]}' was plugged")

    def _now(self) -> list[tuple[str, int]]:
        names = [(device.idstr, device.instance_id) for device in self._machine.devices]
        self._number = len(names)
        return names + [(e.idstr, e.instance_id) for registry in self._registries for e in registry]

    def _counted(self) -> tuple[int, ...]:
        return tuple(registry.generation for registry in self._registries)
