"""SIMULATED costs of QEMU's memory map beside the measured times: what each mode would save there.

Knows which devices were loaded early and for which that lasts; the model is migration/simulated_cost.py's. Nothing here
is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vnetmig.migration.machine import Machine
from vnetmig.migration.preheat_handlers import SUFFIX as PREHEAT_SUFFIX
from vnetmig.migration.simulated_cost import NOTE, MapCosts, MapLoad, SimulatedLoad, same_mapping, simulate
from vnetmig.migration.timeline import Timeline
from vnetmig.report.blocks import Table, columns
from vnetmig.report.json import Json
from vnetmig.report.measured import SUFFIXES, Measured
from vnetmig.vmstate.record import Record

_LASTING = tuple(suffix for suffix in SUFFIXES if suffix != PREHEAT_SUFFIX)
"""What was preheated is forgotten, its place in the map too."""


@dataclass(frozen=True, slots=True)
class MapModel:
    """``microseconds``: of one rebuild. ``kept``: devices whose config space at setup maps what the final one does."""

    microseconds: float
    kept: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, microseconds: float, machine: Machine) -> MapModel:
        kept = set()
        for device in machine.nets():
            early, final = device.state_at_setup(), device.final_state()
            if isinstance(early, Record) and isinstance(final, Record):
                configs = [state.get("pci.config") for state in (early, final)]
                if all(isinstance(config, bytes) for config in configs) and same_mapping(*configs):  # type: ignore[arg-type]
                    kept.add(device.idstr)
        return cls(microseconds, frozenset(kept))

    def costs(self, line: Timeline) -> tuple[SimulatedLoad, ...]:
        """Of the loads with the guest stopped, in their order."""
        early = {section.idstr for section in line.early}
        loads = [
            MapLoad(section.idstr, section.idstr in self.kept and self._was_early(section.idstr, early))
            for section in line.stopped
        ]
        return simulate(loads, MapCosts(rebuild_us=self.microseconds))

    @staticmethod
    def _was_early(idstr: str, early: set[str]) -> bool:
        return any(idstr + suffix in early for suffix in _LASTING)


def map_costs(model: MapModel, measured: Measured) -> dict[str, tuple[SimulatedLoad, ...]]:
    """Mode -> costs, of its last run: they are the same in all."""
    return {mode: model.costs(runs[-1].outcome.timeline) for mode, runs in measured.runs.items()}


def map_table(model: MapModel, measured: Measured) -> Table:
    costs = map_costs(model, measured)
    table = Table(
        f"SIMULATED: memory map of a QEMU destination, {model.microseconds:g} us a rebuild (microseconds)",
        columns("device", *(f">{mode}" for mode in costs)),
    )
    names = dict.fromkeys(load.idstr for loads in costs.values() for load in loads if load.commits)
    for name in names:
        table.rows.append((name, *(_sum(loads, name) for loads in costs.values())))
    table.rows.append(("all devices", *(_sum(loads, None) for loads in costs.values())))
    table.notes.append(NOTE)
    return table


def _sum(loads: Sequence[SimulatedLoad], name: str | None) -> str:
    return f"{sum(load.microseconds for load in loads if name is None or load.idstr == name):.0f}"


def map_json(model: MapModel, measured: Measured) -> Json:
    """As the table has it; unit: microseconds."""
    costs: Mapping[str, Sequence[SimulatedLoad]] = map_costs(model, measured)
    return {
        "note": NOTE,
        "unit": "us",
        "rebuild": model.microseconds,
        "modes": {
            mode: [
                {"device": load.idstr, "commits": load.commits, "simulated": load.microseconds}
                for load in loads
                if load.commits
            ]
            for mode, loads in costs.items()
        },
    }
