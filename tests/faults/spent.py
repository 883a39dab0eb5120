"""A verb in a process of its own, and what it took: exit code, memory, page faults.

The process may not have more than ``DATA`` bytes of its own nor more than ``SECONDS`` of CPU: a fault of the product
fails its test, and leaves the machine alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DATA = 1 << 30
SECONDS = 120
"""No measure of speed: what goes on without end must end some time."""

_RUN = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]),) * 2)
from vnetmig.cli import main
code = 0
try:
    main(sys.argv[3:], prog_name="vnetmig")
except SystemExit as left:
    code = left.code
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
sys.stderr.write("\\n" + json.dumps([code, int(line.split()[1]), faults]))
"""


@dataclass(frozen=True)
class Spent:
    code: int
    out: str
    said: str
    peak: float
    """MiB in memory at once, mapped pages of files too."""
    faults: int
    """Pages that were got, without reading them from a disk."""


def spent(*args: str | Path, stdin: Path | None = None) -> Spent:
    command = [sys.executable, "-c", _RUN, str(DATA), str(SECONDS), *map(str, args)]
    with (stdin or Path(os.devnull)).open("rb") as given:
        run = subprocess.run(command, stdin=given, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    said, _, last = run.stderr.rpartition("\n")
    code, peak, faults = json.loads(last)
    return Spent(code, run.stdout, said, peak / 1024, faults)
