"""`vnetmig bench` is quick and says what it measured."""

from __future__ import annotations

from command_line import run, run_json

from vnetmig.engine import engines


def test_json() -> None:
    made = run_json("bench")
    names = {row["by"] for row in made["results"]}
    assert names == {*(f"engine {name}" for name in engines()), "table loop", "struct", "memcpy"}
    assert {row["state"] for row in made["results"]} == {"net4", "section"}
    assert all(row["save"] > 0 and row["load"] > 0 for row in made["results"])


def test_text() -> None:
    result = run("bench")
    assert result.exit_code == 0
    assert "net4" in result.stdout and "\nengine: " in result.stdout and "not times of QEMU" in result.stdout
