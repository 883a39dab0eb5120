"""Loading the streams of a fleet: many guests, few kinds of machines. What one more stream costs whose vmdescription
was seen before, and one of a new kind, beside the floor: its bytes read and looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from test_reading import stream

import vnetmig
from vnetmig.engine import engines
from vnetmig.stream.outline import KEPT

FIELD = b"cpu_ticks_offset"
FLOOR = "open, read, hash"


@lru_cache(maxsize=1)
def folder() -> TemporaryDirectory[str]:
    """One file per kind: the sample, with one name in the vmdescription changed; more than are kept."""
    made = TemporaryDirectory(prefix="vnetmig-fleet-")
    assert stream().count(FIELD) == 1
    for kind in range(KEPT + 1):
        Path(made.name, f"{kind:03d}").write_bytes(stream().replace(FIELD, b"cpu_ticks_of%04d" % kind))
    return made


def files() -> list[Path]:
    return sorted(Path(folder().name).iterdir())


@lru_cache(maxsize=1)
def kinds() -> Iterator[Path]:
    """One kind after the other, for all who ask: each was forgotten when its turn comes again."""
    return cycle(files())


def fleet(engine: str) -> dict[str, Callable[[], object]]:
    """Calls that load one stream each."""
    known = files()[0]
    data = known.read_bytes()
    assert vnetmig.load(known, engine=engine).encode() == data
    return {
        "of a known kind": lambda: vnetmig.load(known, engine=engine),
        "of a known kind, bytes": lambda: vnetmig.load(data, engine=engine),
        "of a known kind, every section": lambda: vnetmig.load(known, engine=engine).sections,
        "of a new kind": lambda: vnetmig.load(next(kinds()), engine=engine),
        FLOOR: lambda: hash(known.read_bytes()),
    }


CALLS = ("of a known kind", "of a known kind, bytes", "of a known kind, every section", "of a new kind", FLOOR)


@pytest.mark.parametrize("candidate", CALLS)
@pytest.mark.parametrize("engine_name", engines())
def test_load_one_of_a_fleet(
    measured: Callable[[Any, str], None], contest: Callable[..., Any], engine_name: str, candidate: str
) -> None:
    measured(contest(f"load one of a fleet, {engine_name}", lambda: fleet(engine_name), (FLOOR,)), candidate)
