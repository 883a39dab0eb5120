"""`stock`: as QEMU does, every device whole in a section of its own, with the guest stopped."""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.migration.machine import Machine
from vnetmig.migration.modes.interface import Plan, announced, finals
from vnetmig.migration.options import Options


@dataclass(frozen=True, slots=True)
class Stock:
    name: str = "stock"
    capabilities: tuple[str, ...] = ()

    def plan(self, machine: Machine, options: Options, engine: str | None) -> Plan:
        capabilities = announced(self, options)
        return Plan(capabilities, finals=finals(machine, capabilities, options, engine))
