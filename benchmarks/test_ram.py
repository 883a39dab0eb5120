"""Reading a stream with guest RAM on both engines, against `cat` of the same file. The size is VNETMIG_BENCH_RAM bytes,
64 MiB unless told; the 1 GiB of docs/performance.md are tools/measure_goals.py's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from processes import peak_kib
from ram_stream import write_ram_stream

from vnetmig.document.load import load
from vnetmig.engine import engines

SIZE = int(os.environ.get("VNETMIG_BENCH_RAM", 64 << 20))
CAT = "cat"
MIB = 1 << 20


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("ram") / "stream"
    write_ram_stream(found, SIZE)
    return found


@pytest.mark.parametrize("candidate", [*engines(), CAT])
def test_walk(measured: Callable[[Any, str], None], contest: Callable[..., Any], path: Path, candidate: str) -> None:
    def build() -> dict[str, Callable[[], object]]:
        calls: dict[str, Callable[[], object]] = {name: partial(load, path, engine=name) for name in engines()}
        return {**calls, CAT: partial(subprocess.run, ["cat", path], stdout=subprocess.DEVNULL, check=True)}

    measured(contest(f"read a stream of {SIZE // MIB} MiB", build, (CAT,)), candidate)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_does_not_grow_with_the_guest(benchmark: Any, path: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    write_ram_stream(small, SIZE // 4)
    more = peak_kib(path) - peak_kib(small)
    benchmark.extra_info["more_kib"] = more
    benchmark.pedantic(peak_kib, (path,), rounds=1)
    assert more < 16 * 1024
