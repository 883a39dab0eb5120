"""The matrix says what became of real guests between real QEMUs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from machines import USER, cell, machine, rules

import vnetmig
from vnetmig.analysis.matrix.cell import Outcome
from vnetmig.analysis.matrix.matrix import Matrix

TRUTH = [
    line.split(maxsplit=3)
    for line in Path(__file__).with_name("interop.txt").read_text().splitlines()
    if not line.startswith("#")
]


@lru_cache(maxsize=1)
def whole() -> Matrix:
    """One command line with an alias, on every watched release."""
    return vnetmig.matrix([machine(USER, "pc")])


@pytest.mark.parametrize(("source", "destination", "kind", "result"), TRUTH)
def test_as_real_qemus_did(source: str, destination: str, kind: str, result: str) -> None:
    found = cell(whole(), source, destination, kind)
    assert found.machine == kind
    if result == "continues":
        assert found.outcome == Outcome.WORKS and not found.found
    elif result == "loses":
        assert found.loads and rules(found) == [("vlan-lost", "the guest filters VLANs")]
    else:
        assert found.outcome == Outcome.REFUSED and found.worst is not None
        assert found.worst.finding.message == result and found.worst.guests is None


def test_a_release_loads_its_own() -> None:
    """Whatever the machine type: on the diagonal nothing is refused."""
    found = whole()
    same = [one for one in found if found.sources[one.source].release == found.destinations[one.destination].release]
    assert len(same) == len(found.sources) and all(one.loads for one in same)


def test_machine_types_that_the_destination_does_not_have() -> None:
    """The only refusals beside that of 10.0.13's large rings."""
    found = whole()
    lacking = [one for one in found if ("machine-type-unsupported", None) in rules(one)]
    for one in lacking:
        version = tuple(map(int, str(one.machine).rpartition("-")[2].split(".")))
        release = found.destinations[one.destination].release
        assert version > (release.major, release.minor)
    others = [one for one in found if not one.loads and one not in lacking]
    pairs = {(str(found.sources[one.source].release), one.destination) for one in others}
    assert len(lacking) == 14 and pairs == {("10.0.13", 4)}
