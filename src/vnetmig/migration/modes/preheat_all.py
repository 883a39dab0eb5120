"""`preheat-all`: every device saved, loaded, forgotten, and then migrated as in ``stock``.

The question of M. S. Tsirkin in the RFC thread (2025-07-23): if it is warm caches that make the second load quick, then
do it for all devices, generically; only the timing may differ. The stream's own description goes first, so that devices
which only it explains are loaded too.
"""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.migration.capabilities import PREHEAT
from vnetmig.migration.machine import Enrolment, Machine
from vnetmig.migration.modes.interface import Plan, announced, finals
from vnetmig.migration.options import Options
from vnetmig.migration.preheat_handlers import DESCRIPTION, SUFFIX, Preheated, PreheatHandlers


@dataclass(frozen=True, slots=True)
class PreheatAll:
    name: str = "preheat-all"
    capabilities: tuple[str, ...] = (PREHEAT,)

    def plan(self, machine: Machine, options: Options, engine: str | None) -> Plan:
        capabilities = announced(self, options)
        handlers = PreheatHandlers()
        staged = []
        if machine.description is not None:
            staged.append(Enrolment(DESCRIPTION, 0, 1, handlers, Preheated(machine.description.encode)))
        for device in machine.devices:
            if device.early:
                continue
            opaque = Preheated.of(device, engine)
            staged.append(Enrolment(device.idstr + SUFFIX, device.instance_id, device.version_id, handlers, opaque))
        return Plan(capabilities, staged, finals=finals(machine, capabilities, options, engine))
