"""Checking the streams of a fleet: many guests, few kinds of machines, one destination. What one more stream costs,
load and check together, beside the floor: its bytes read and hashed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_load_fleet import FLOOR, files, kinds

import vnetmig
from vnetmig.analysis.fleet import check_files
from vnetmig.engine import engines

QEMU = "10.0.13"


def fleet(engine: str) -> dict[str, Callable[[], object]]:
    """Calls that load and check one stream each."""
    known = files()[0]
    profile = vnetmig.OfStream().of(vnetmig.load(known, engine=engine))

    def check(path: object, against: Any) -> object:
        (found,) = check_files([path], against, qemu=QEMU, workers=1, engine=engine)  # type: ignore[list-item]
        return found.results[0].loads

    assert check(known, profile) is True
    return {
        "of a known kind, against a profile": lambda: check(known, profile),
        "of a known kind, against self": lambda: check(known, None),
        "of a new kind, against a profile": lambda: check(next(kinds()), profile),
        "of a new kind, against self": lambda: check(next(kinds()), None),
        FLOOR: lambda: hash(known.read_bytes()),
    }


CALLS = (
    "of a known kind, against a profile",
    "of a known kind, against self",
    "of a new kind, against a profile",
    "of a new kind, against self",
    FLOOR,
)


@pytest.mark.parametrize("candidate", CALLS)
@pytest.mark.parametrize("engine_name", engines())
def test_check_one_of_a_fleet(
    measured: Callable[[Any, str], None], contest: Callable[..., Any], engine_name: str, candidate: str
) -> None:
    measured(contest(f"check one of a fleet, {engine_name}", lambda: fleet(engine_name), (FLOOR,)), candidate)
