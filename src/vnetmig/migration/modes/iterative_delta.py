"""`iterative-delta`: every virtio-net while the guest runs, again when it changes, and at the end only what changed."""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.migration.capabilities import DELTA, HANDOVER
from vnetmig.migration.delta_handlers import IDSTR_SUFFIX, SECTION_VERSION, DeltaHandlers, DeltaMigration
from vnetmig.migration.final_frame import FinalFrame
from vnetmig.migration.machine import Enrolment, Machine
from vnetmig.migration.modes.interface import Plan, announced, finals, sent_state
from vnetmig.migration.options import Options


@dataclass(frozen=True, slots=True)
class IterativeDelta:
    name: str = "iterative-delta"
    capabilities: tuple[str, ...] = (HANDOVER, DELTA)

    def plan(self, machine: Machine, options: Options, engine: str | None) -> Plan:
        capabilities = announced(self, options)
        handlers = DeltaHandlers()
        staged, ends = [], {}
        for device in machine.nets():
            sent = sent_state(device, options, engine)
            opaque = DeltaMigration(sent, options.resends)
            staged.append(Enrolment(device.idstr + IDSTR_SUFFIX, device.instance_id, SECTION_VERSION, handlers, opaque))
            ends[device.idstr, device.instance_id] = FinalFrame(sent, sent.delta)
        return Plan(capabilities, staged, finals=finals(machine, capabilities, options, engine, ends))
