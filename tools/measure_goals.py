"""Measure the goals of docs/performance.md on this machine and write benchmarks/results/goals.json.

Takes some minutes, and 1 GiB in the folder for temporary files. Candidates and peers run in turns; only ratios of
their medians are kept: the median, the least and the most of several runs. Then `tools/gen_performance.py` writes the
page. Instructions are tools/count_instructions.py's.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import thread_time

from goals import FIGURES

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from processes import against_cat, peak_kib  # noqa: E402
from race import SLOTS, Contest  # noqa: E402
from ram_stream import write_ram_stream  # noqa: E402
from test_delta import CASES, deltas, makes  # noqa: E402
from test_device_state import loads, saves  # noqa: E402

from vnetmig.document.workload import WORKLOADS  # noqa: E402

RUNS = 5
MIB = 1 << 20
CLUSTERED, SCATTERED = "1 MiB, 1 % clustered", "1 MiB, 10 % scattered"
IN_PLACE = "copy in place"


Ratios = dict[str, list[float]]


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


def device_states() -> Ratios:
    net4, net256, section = (WORKLOADS[name]() for name in ("net4", "net256", "section"))
    wire, target = memoryview(net256.wire), memoryview(bytearray(len(net256.wire)))

    def copy() -> None:
        target[:] = wire

    return {
        **contest(
            saves(net4),
            {
                "save-struct": ("struct", "c"),
                "save-take": ("numpy-take", "c"),
                "bound-save": ("struct", "c-bound"),
                "fallback-table": ("table", "python"),
                "fallback-struct": ("python", "struct"),
            },
        ),
        **contest(loads(net4), {"bound-load": ("struct", "c-bound")}),
        **contest(
            {**saves(net256), IN_PLACE: copy},
            {"net256-copy": ("c-bound", IN_PLACE), "net256-copyto": ("numpy-copyto", "c-bound")},
        ),
        **contest(loads(section), {"section-table": ("table", "c")}),
    }


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


def spread(figures: list[float]) -> list[float]:
    """Median, least and most, three digits of each."""
    return [float(f"{figure:.3g}") for figure in (median(figures), min(figures), max(figures))]


def processor() -> str:
    """As /proc names it, or else as Python does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> int:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its modules compiled
    load = os.getloadavg()
    measured = device_states() | delta_figures() | streams()
    made = {
        "machine": f"{processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        "versions": {
            "Python": platform.python_version(),
            **{name: version(name) for name in ("vnetmig", "numpy", "cffi")},
        },
        "n": {"runs": RUNS, "slots of 2 ms in each": SLOTS},
        "load": list(load),
        "figures": {key: spread(found) for key, found in measured.items()},
    }
    FIGURES.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
