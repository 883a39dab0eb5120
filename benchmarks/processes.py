"""What a whole process takes: CPU seconds and peak memory. For what cannot be called in turns in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

INSPECT = (sys.executable, "-m", "vnetmig", "inspect", "--json")
CAT = ("cat",)
_WALK = """
import sys, time
from vnetmig.document.load import load
start = time.process_time()
load(sys.argv[1])
print(time.process_time() - start)
"""
_PEAK = """
import sys
from vnetmig.cli import main
try:
    main(["inspect", "--json", sys.argv[1]])
except SystemExit:
    pass
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
sys.stderr.write(line.split()[1])
"""


def cpu_seconds(command: tuple[str, ...], path: Path) -> float:
    """User and system time of ``command path``, its output thrown away."""
    process = subprocess.Popen([*command, str(path)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def walk_seconds(path: Path) -> float:
    """CPU of reading the stream at ``path`` into a document, without start-up."""
    run = subprocess.run([sys.executable, "-c", _WALK, str(path)], check=True, capture_output=True, text=True)
    return float(run.stdout)


def peak_kib(path: Path) -> int:
    """The most memory that `inspect --json` of ``path`` had at once, mapped pages of the file too."""
    command = [sys.executable, "-c", _PEAK, str(path)]
    run = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(run.stderr)


def against_cat(path: Path, runs: int) -> tuple[list[float], list[float]]:
    """CPU of reading the stream, and of `inspect --json`, in multiples of `cat`: ``runs`` of each, in turns."""
    cpu_seconds(INSPECT, path)  # page cache and compiled modules
    turns = [(cpu_seconds(CAT, path), walk_seconds(path), cpu_seconds(INSPECT, path)) for _ in range(runs)]
    return [walk / cat for cat, walk, _ in turns], [inspect / cat for cat, _, inspect in turns]


def analyzer() -> tuple[str, ...] | None:
    """QEMU's scripts/analyze-migration.py, which prints a stream as JSON too, where VNETMIG_ANALYZER names it."""
    script = Path(os.environ.get("VNETMIG_ANALYZER", ""))
    return (sys.executable, str(script), "-f") if script.is_file() else None


def against_analyzer(path: Path, analyze: tuple[str, ...], runs: int) -> list[float]:
    """CPU of QEMU's analyzer in multiples of `inspect --json`: ``runs`` of each, in turns. It prints values; `inspect`
    prints path, offset, size and type with each."""
    cpu_seconds(INSPECT, path)  # page cache and compiled modules
    return [cpu_seconds(analyze, path) / cpu_seconds(INSPECT, path) for _ in range(runs)]
