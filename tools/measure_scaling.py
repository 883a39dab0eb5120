"""Measure how the cost of a save grows with devices and queue pairs; write benchmarks/results/scaling.json.

Takes a minute or two. Candidates run in turns; what is kept are the medians, in microseconds per device or queue pair.
Then `tools/gen_performance.py` writes the page.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import thread_time

from goals import SCALING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from race import Contest  # noqa: E402
from scaling import CURVES  # noqa: E402


def curve(what: str) -> dict[str, dict[str, float]]:
    """Candidate -> how many -> microseconds of one."""
    steps, calls_of, names = CURVES[what]
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for many in steps:
        race = Contest("", calls_of(many), (), clock=thread_time)
        race.run()
        for name, seconds in race.seconds.items():
            found[name][str(many)] = float(f"{seconds / many * 1e6:.3g}")
    return found


def main() -> int:
    load = os.getloadavg()
    made = {"load": list(load), **{what: curve(what) for what in CURVES}}
    SCALING.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
