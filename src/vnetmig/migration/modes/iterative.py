"""`iterative`: the RFC's protocol, byte for byte: every virtio-net once more, while the guest still runs."""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.migration.capabilities import VIRTIO_ITERATIVE
from vnetmig.migration.machine import Enrolment, Machine
from vnetmig.migration.modes.interface import Plan, announced, finals
from vnetmig.migration.net_handlers import IDSTR_SUFFIX, SECTION_VERSION, NetHandlers, NetMigration
from vnetmig.migration.options import Options


@dataclass(frozen=True, slots=True)
class Iterative:
    name: str = "iterative"
    capabilities: tuple[str, ...] = (VIRTIO_ITERATIVE,)

    def plan(self, machine: Machine, options: Options, engine: str | None) -> Plan:
        capabilities = announced(self, options)
        handlers = NetHandlers()
        staged = []
        for device in machine.nets():
            idstr = device.idstr + IDSTR_SUFFIX
            opaque = NetMigration(device, engine=engine)
            section_id = machine.iterative_ids.get(idstr)
            staged.append(Enrolment(idstr, device.instance_id, SECTION_VERSION, handlers, opaque, section_id))
        return Plan(capabilities, staged, finals=finals(machine, capabilities, options, engine))
