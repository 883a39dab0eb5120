"""Measure the goals of docs/performance.md on this machine and write benchmarks/results/goals.json.

Takes some minutes, and 1 GiB in the folder for temporary files. Candidates and peers run in turns; only ratios of
their medians are kept: the median, the least and the most of several runs. ``--only KEY`` measures that goal, and what
is measured with it, and leaves the other figures as they are. Then `tools/gen_performance.py` writes the page.
Instructions are tools/count_instructions.py's, curves tools/measure_scaling.py's.

For all goals it takes a QEMU on PATH, and its source's scripts/analyze-migration.py, which VNETMIG_ANALYZER names.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import thread_time

from goals import FIGURES

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "qemu")]

import qemu_load  # noqa: E402
from batches import BATCH, CALLS, DEVICES, ONE_THREAD, TWO_THREADS, saves_of, threads  # noqa: E402
from processes import against_analyzer, against_cat, analyzer, peak_kib  # noqa: E402
from race import SLOTS, Contest  # noqa: E402
from ram_stream import write_ram_stream  # noqa: E402
from test_delta import CASES, deltas, makes  # noqa: E402
from test_device_state import loads, saves  # noqa: E402

from vnetmig.document.workload import WORKLOADS  # noqa: E402

RUNS = 5
LOADS = 15
"""Of a real QEMU, each a process of its own."""
MIB = 1 << 20
CLUSTERED, SCATTERED = "1 MiB, 1 % clustered", "1 MiB, 10 % scattered"
IN_PLACE = "copy in place"


Ratios = dict[str, list[float]]


class Unmeasured(Exception):
    """Something is missing here: what."""


def contest(calls: Mapping[str, Callable[[], object]], ratios: Mapping[str, tuple[str, str]]) -> Ratios:
    """Each ratio (slow, quick) of ``ratios`` in ``RUNS`` contests of the candidates that it names."""
    wanted = dict.fromkeys(label for pair in ratios.values() for label in pair)
    found: Ratios = {key: [] for key in ratios}
    for _ in range(RUNS):
        race = Contest("", {label: calls[label] for label in wanted}, (), clock=thread_time)
        race.run()
        for key, (slow, quick) in ratios.items():
            found[key].append(race.times(slow, quick))
    return found


def net4_saves() -> Ratios:
    return contest(
        saves(WORKLOADS["net4"]()),
        {
            "save-struct": ("struct", "c"),
            "save-take": ("numpy-take", "c"),
            "bound-save": ("struct", "c-bound"),
            "fallback-table": ("table", "python"),
            "fallback-struct": ("python", "struct"),
        },
    )


def net4_loads() -> Ratios:
    return contest(loads(WORKLOADS["net4"]()), {"bound-load": ("struct", "c-bound")})


def net256() -> Ratios:
    workload = WORKLOADS["net256"]()
    wire, target = memoryview(workload.wire), memoryview(bytearray(len(workload.wire)))

    def copy() -> None:
        target[:] = wire

    return contest(
        {**saves(workload), IN_PLACE: copy},
        {"net256-copy": ("c-bound", IN_PLACE), "net256-copyto": ("numpy-copyto", "c-bound")},
    )


def section() -> Ratios:
    return contest(loads(WORKLOADS["section"]()), {"section-table": ("table", "c")})


def section_qemu() -> Ratios:
    if qemu_load.binary() is None:
        raise Unmeasured(f"no {qemu_load.BINARY} on PATH")
    return {"section-qemu": qemu_load.against_qemu(LOADS)}


def batch() -> Ratios:
    return contest(saves_of(WORKLOADS["net4"](), DEVICES), {"batch": (f"c {CALLS}", f"c {BATCH}")})


def two_threads() -> Ratios:
    found = []
    for _ in range(RUNS):
        race = Contest("", threads(WORKLOADS["net4"](), "c"), (), slots=5 * SLOTS)
        race.run()
        found.append(race.least[ONE_THREAD] / race.least[TWO_THREADS])
    return {"two-threads": found}


def delta_figures() -> Ratios:
    found: Ratios = {}
    for key, name in (("clustered", CLUSTERED), ("scattered", SCATTERED)):
        found |= contest(makes(name), {f"delta-{key}": ("c-bound", "memcmp")})
        found[f"size-{key}"] = [len(deltas(name)["c"]) / CASES[name][0]().changed]
    return found


def streams() -> Ratios:
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder, "large"), Path(folder, "small")
        write_ram_stream(large, 1024 * MIB)
        write_ram_stream(small, 32 * MIB)
        walk, inspect = against_cat(large, RUNS)
        return {"walk-cat": walk, "inspect-cat": inspect, "peak": [(peak_kib(large) - peak_kib(small)) / 1024]}


def inspect_analyzer() -> Ratios:
    script = analyzer()
    if script is None:
        raise Unmeasured("VNETMIG_ANALYZER names no scripts/analyze-migration.py of QEMU's source")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder, "large")
        write_ram_stream(large, 1024 * MIB)
        return {"inspect-analyzer": against_analyzer(large, script, RUNS)}


MEASURES: tuple[tuple[tuple[str, ...], Callable[[], Ratios]], ...] = (
    (("save-struct", "save-take", "bound-save", "fallback-table", "fallback-struct"), net4_saves),
    (("bound-load",), net4_loads),
    (("net256-copy", "net256-copyto"), net256),
    (("section-table",), section),
    (("section-qemu",), section_qemu),
    (("batch",), batch),
    (("two-threads",), two_threads),
    (("delta-clustered", "delta-scattered", "size-clustered", "size-scattered"), delta_figures),
    (("walk-cat", "inspect-cat", "peak"), streams),
    (("inspect-analyzer",), inspect_analyzer),
)
"""Goals that are measured together, and how. Instructions are counted elsewhere."""


def spread(figures: list[float]) -> list[float]:
    """Median, least and most, three digits of each."""
    return [float(f"{figure:.3g}") for figure in (median(figures), min(figures), max(figures))]


def processor() -> str:
    """As /proc names it, or else as Python does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def measured(only: Sequence[str]) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Figures of ``only``, or of all; and why there are none, of those that cannot be measured here."""
    figures: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    for keys, measure in MEASURES:
        if only and not set(only) & set(keys):
            continue
        try:
            figures |= {key: spread(found) for key, found in measure().items()}
        except Unmeasured as reason:
            print(f"{', '.join(keys)}: not measured: {reason}", file=sys.stderr)
            missing |= dict.fromkeys(keys, str(reason))
    return figures, missing


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), **{name: version(name) for name in ("vnetmig", "numpy", "cffi")}}
    return {**found, "QEMU": qemu_load.version()} if qemu_load.binary() else found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    known = [key for keys, _ in MEASURES for key in keys]
    parser.add_argument("--only", metavar="KEY", action="append", choices=known, default=[], help=", ".join(known))
    only = parser.parse_args().only
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its modules compiled
    load = os.getloadavg()
    before = json.loads(FIGURES.read_text(encoding="utf-8")) if only else {}
    figures, missing = measured(only)
    kept = {key: why for key, why in before.get("unmeasured", {}).items() if key not in figures}
    made = {
        "machine": f"{processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        "versions": versions(),
        "n": {"runs": RUNS, "slots of 2 ms in each": SLOTS},
        "load": list(load),
        **{key: before[key] for key in ("machine", "load") if key in before},
        "figures": {key: found for key, found in (before.get("figures", {}) | figures).items() if key not in missing},
        "unmeasured": kept | missing,
    }
    for key, found in figures.items():
        print(f"{key}: {found}")
    FIGURES.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
