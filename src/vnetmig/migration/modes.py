"""The ways to migrate, by name: what each adds to a machine's own sections.

Knows which devices a mode migrates in stages; the order of a migration is the source's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vnetmig.errors import MigrationError
from vnetmig.migration.capabilities import VIRTIO_ITERATIVE
from vnetmig.migration.machine import Enrolment, Machine
from vnetmig.migration.net_handlers import IDSTR_SUFFIX, SECTION_VERSION, NetHandlers, NetMigration
from vnetmig.virtio.section import device_of


class Mode(Protocol):
    """``capabilities`` are announced in the configuration section, so that the destination knows the mode."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> tuple[str, ...]: ...

    def staged(self, machine: Machine, engine: str | None) -> list[Enrolment]:
        """What migrates in stages besides RAM."""


@dataclass(frozen=True, slots=True)
class Stock:
    """As QEMU does: every device whole, with the guest stopped."""

    name: str = "stock"
    capabilities: tuple[str, ...] = ()

    def staged(self, machine: Machine, engine: str | None) -> list[Enrolment]:
        return []


@dataclass(frozen=True, slots=True)
class Iterative:
    """As the RFC does: every virtio-net once more, while the guest still runs."""

    name: str = "iterative"
    capabilities: tuple[str, ...] = (VIRTIO_ITERATIVE,)

    def staged(self, machine: Machine, engine: str | None) -> list[Enrolment]:
        handlers = NetHandlers()
        found = []
        for device in machine.devices:
            if device_of(device.idstr) != "virtio-net":
                continue
            idstr = device.idstr + IDSTR_SUFFIX
            opaque = NetMigration(device, engine=engine)
            section_id = machine.iterative_ids.get(idstr)
            found.append(Enrolment(idstr, device.instance_id, SECTION_VERSION, handlers, opaque, section_id))
        return found


MODES: dict[str, Mode] = {mode.name: mode for mode in (Stock(), Iterative())}


def mode_named(name: str | Mode) -> Mode:
    """The mode of this name."""
    if not isinstance(name, str):
        return name
    mode = MODES.get(name)
    if mode is None:
        raise MigrationError(f"no mode '{name}'; there is: {', '.join(MODES)}")
    return mode
