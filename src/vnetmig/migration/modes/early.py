"""`early`: an early section for every virtio-net, compared at stop-and-copy.

Source: "[RFC v2 00/14] virtio-net: early VMStateDescription live migration support" (2026-03-20): an early_setup
VMStateDescription instead of handlers, a device property instead of a capability; the source keeps what it sent, and
when nothing but ring indices changed the full reload is left out. How the RFC writes the short form is not known; here
it is a RESYNC frame, and the capability says that there may be one.
"""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.migration.capabilities import EARLY, HANDOVER
from vnetmig.migration.decoders import EARLY_SUFFIX
from vnetmig.migration.final_frame import EarlyState, FinalFrame
from vnetmig.migration.machine import EarlySection, Machine
from vnetmig.migration.modes.interface import Plan, announced, finals, sent_state
from vnetmig.migration.options import Options


@dataclass(frozen=True, slots=True)
class Early:
    """``devices``: paths of those that have the property on; None is all of them."""

    devices: frozenset[str] | None = None
    name: str = "early"
    capabilities: tuple[str, ...] = (HANDOVER, EARLY)

    def plan(self, machine: Machine, options: Options, engine: str | None) -> Plan:
        capabilities = announced(self, options)
        early, ends = [], {}
        for device in machine.nets():
            if self.devices is not None and device.idstr.rpartition("/")[0] not in self.devices:
                continue
            sent = sent_state(device, options, engine)
            idstr = device.idstr + EARLY_SUFFIX
            early.append(EarlySection(idstr, device.instance_id, device.version_id, EarlyState(sent)))
            ends[device.idstr, device.instance_id] = FinalFrame(sent, sent.resync)
        return Plan(capabilities, early=early, finals=finals(machine, capabilities, options, engine, ends))
