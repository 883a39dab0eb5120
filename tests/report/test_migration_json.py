"""The same report as JSON: keys that stay, and numbers that are those of the tables."""

from __future__ import annotations

import json
from typing import Any

from runs import HERE, NET, delta_run, run, section, stock_run, there

from vnetmig.report.json import pieces
from vnetmig.report.migration_json import SCHEMA, runs_json

RUNS = {"stock": [stock_run(10_000), stock_run(12_000)], "iterative-delta": [delta_run(5_000), delta_run(7_000)]}


def made(runs: Any) -> Any:
    return json.loads("".join(pieces(runs_json(runs))))


def test_schema() -> None:
    found = made(RUNS)
    assert found["schema"] == SCHEMA == 1
    assert set(found) == {
        "schema", "complete", "note", "unit", "level", "modes", "against", "against_devices", "words", "map_costs",
    }  # fmt: skip
    assert set(found["modes"]["stock"]) == {"runs", "groups", "devices", "clock", "frames", "rings"}
    values = found["modes"]["stock"]["devices"][NET]
    assert set(values) == {"downtime", "save", "load", "bytes", "early_save", "early_load", "early_bytes"}
    assert set(values["load"]) == {"n", "mean", "variance", "sigma", "low", "high", "median", "min", "max"}
    assert set(found["against"][0]) == {
        "mode", "devices", "difference", "standard_error", "low", "high", "t", "degrees_of_freedom", "p", "p_holm",
        "p_paired",
    }  # fmt: skip


def test_numbers() -> None:
    found = made(RUNS)
    assert found["modes"]["stock"]["devices"][NET]["downtime"]["mean"] == 12_000
    assert found["modes"]["iterative-delta"]["groups"]["virtio-net"]["bytes"]["mean"] == 108
    assert found["against"][0]["difference"] == (1000 + 6000 + 30) - 12_000
    assert found["modes"]["stock"]["frames"] is None
    assert found["modes"]["iterative-delta"]["frames"]["forms"] == {"DELTA": 2}


def test_runs_tell_of_both_sides() -> None:
    (told,) = made({"early": [run("early", section(NET, 1), here=HERE, there=there())]})["modes"]["early"]["runs"]
    assert told["good"] and told["here"]["before"] == 300 and told["there"]["guest"]["steps"] == 100
    assert told["there"]["backends"][0]["commit"]["repeated"] == 0


def test_a_failed_mode_has_no_numbers() -> None:
    found = made({"stock": [run("stock", state="failed", error="why", owner="source")]})
    assert not found["complete"] and found["modes"]["stock"]["devices"] == {}
    assert found["modes"]["stock"]["runs"][0]["error"] == "why"
