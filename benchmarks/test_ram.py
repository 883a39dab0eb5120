"""Reading a stream with guest RAM on both engines, against `cat` of the same file. The size is VNETMIG_BENCH_RAM bytes,
64 MiB unless told; the 1 GiB of docs/performance.md are tools/measure_goals.py's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import processes
import pytest
from processes import peak_kib
from race import SLOTS_MIN
from ram_stream import write_ram_stream

from vnetmig.document.load import load
from vnetmig.engine import engines

SIZE = int(os.environ.get("VNETMIG_BENCH_RAM", 64 << 20))
CAT, INSPECT, ANALYZER = "cat", "inspect --json", "analyze-migration.py"
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
        return {**calls, CAT: silent(processes.CAT, path)}

    measured(contest(f"read a stream of {SIZE // MIB} MiB", build, (CAT,)), candidate)


def silent(command: tuple[str, ...], path: Path) -> Callable[[], object]:
    return partial(subprocess.run, [*command, str(path)], stdout=subprocess.DEVNULL, check=True)


@pytest.mark.parametrize("candidate", [INSPECT, ANALYZER, CAT])
def test_inspect(measured: Callable[[Any, str], None], contest: Callable[..., Any], path: Path, candidate: str) -> None:
    """Whole processes. QEMU's own analyzer takes part where VNETMIG_ANALYZER names it."""
    commands = {INSPECT: processes.INSPECT, ANALYZER: processes.analyzer(), CAT: processes.CAT}

    def build() -> dict[str, Callable[[], object]]:
        return {name: silent(command, path) for name, command in commands.items() if command is not None}

    measured(contest(f"inspect a stream of {SIZE // MIB} MiB", build, (CAT,), SLOTS_MIN), candidate)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_does_not_grow_with_the_guest(benchmark: Any, path: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    write_ram_stream(small, SIZE // 4)
    more = peak_kib(path) - peak_kib(small)
    benchmark.extra_info["more_kib"] = more
    benchmark.pedantic(peak_kib, (path,), rounds=1)
    assert more < 16 * 1024
