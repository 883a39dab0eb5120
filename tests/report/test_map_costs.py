"""Simulated costs: only what stays in the map is spared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from command_line import stream_bytes
from runs import NET, delta_run, run, section

from vnetmig.migration.machine import Machine
from vnetmig.report import text
from vnetmig.report.map_costs import MapModel, map_costs, map_json, map_table
from vnetmig.report.measured import Measured

VGA = "0000:00:02.0/vga"
RUNS = {
    "stock": [run("stock", section(NET, 1), section(VGA, 1), section("timer", 1))],
    "iterative-delta": [delta_run(1)],
    "preheat-all": [run("preheat-all", section(f"{NET}-preheat", 1, early=True), section(NET, 1))],
}


def cost(model: MapModel, mode: str, idstr: str) -> float:
    return sum(load.microseconds for load in map_costs(model, Measured.of(RUNS))[mode] if load.idstr == idstr)


def test_who_was_loaded_early_and_kept() -> None:
    model = MapModel(10.0, frozenset({NET}))
    assert cost(model, "stock", NET) == 240 and cost(model, "stock", VGA) == 120
    assert cost(model, "iterative-delta", NET) == 0
    assert cost(model, "preheat-all", NET) == 240, "what was forgotten is mapped again"
    assert cost(MapModel(10.0), "iterative-delta", NET) == 240, "another config space is mapped again"


def test_it_is_labelled() -> None:
    model = MapModel(10.0)
    shown = list(text.plain([map_table(model, Measured.of(RUNS))]))
    assert shown[0].startswith("SIMULATED") and shown[-1].startswith("SIMULATED")
    assert not any("timer" in line for line in shown)
    made = map_json(model, Measured.of(RUNS))
    assert isinstance(made, dict) and str(made["note"]).startswith("SIMULATED")


def test_a_device_without_a_config_space_keeps_nothing() -> None:
    mmio = Machine.from_bytes(stream_bytes())
    assert list(mmio.nets()) and MapModel.of(10.0, mmio).kept == frozenset()


def test_a_device_that_nothing_describes_keeps_nothing() -> None:
    opaque = SimpleNamespace(idstr=NET, state_at_setup=lambda: b"early", final_state=lambda: b"final")
    machine: Any = SimpleNamespace(nets=lambda: [opaque])
    assert MapModel.of(10.0, machine).kept == frozenset()
