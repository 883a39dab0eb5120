"""Count the instructions of the C kernels, which repeat exactly where times do not: `valgrind --tool=callgrind`.

`tools/count_instructions.py` writes benchmarks/results/instructions.json; `--check` counts again and fails where a
kernel takes over 3 % more than the file says. Counts made by another compiler are no regression: they are only shown.

Two runs of benchmarks/kernels.c, subtracted: what stays is one call, without start-up. Flags are a plain wheel's.
"""

from __future__ import annotations

import json
import os
import platform
import random
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vnetmig.document.workload import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "benchmarks" / "results" / "instructions.json"
FLAGS = ("-std=c11", "-O3", "-DNDEBUG", "-fPIC")
GATE = 1.03
FEW, MORE = 2, 6
MIB = 1 << 20
PAGES = 256
_TOTAL = re.compile(r"Collected : (\d+)")


def pieces_of(workload: Workload) -> list[bytes]:
    flat = workload.program.flat
    words = flat.words()
    tables = [words[name].tobytes() for name in ("ops", "runs", "insns", "consts", "subs")]
    return [*tables, flat.names, struct.pack("=I", flat.record_bytes), bytes(workload.record.data), workload.wire]


def delta(places: list[int]) -> list[bytes]:
    base = random.Random(2).randbytes(MIB)
    target = bytearray(base)
    for at in places:
        target[at] ^= 0xFF
    return [base, bytes(target)]


def kernels() -> Iterator[tuple[str, str, list[bytes]]]:
    """(name, kernel, what it works on)"""
    for name, make in WORKLOADS.items():
        pieces = pieces_of(make())
        yield f"save {name}", "save", pieces
        yield f"load {name}", "load", pieces
    page = (0x28).to_bytes(8, "big") + bytes(4096)
    yield f"scan {PAGES} pages", "scan", [page * PAGES]
    yield f"scan {PAGES} zero pages", "scan", [((0x22).to_bytes(8, "big") + b"\0") * PAGES]
    yield (
        "delta of 1 MiB, 1 % clustered",
        "delta",
        delta([at for run in range(20) for at in range(run << 15, (run << 15) + 524)]),
    )
    yield "delta of 1 MiB, 10 % scattered", "delta", delta(random.Random(1).sample(range(MIB), MIB // 10))


def collected(program: Path, kernel: str, times: int, file: Path) -> int:
    command = [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        str(program),
        kernel,
        str(times),
        str(file),
    ]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    found = _TOTAL.search(run.stderr)
    if run.returncode or found is None:
        raise SystemExit(f"{' '.join(command)}: exit {run.returncode}\n{run.stderr}")
    return int(found[1])


def count() -> dict[str, int]:
    """Instructions of one call of each kernel."""
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        program, file = Path(folder, "kernels"), Path(folder, "pieces")
        sources = [ROOT / "benchmarks" / "kernels.c", *sorted((ROOT / "csrc").glob("*.c"))]
        subprocess.run([compiler(), *FLAGS, f"-I{ROOT / 'csrc'}", *map(str, sources), "-o", str(program)], check=True)
        for name, kernel, pieces in kernels():
            file.write_bytes(b"".join(struct.pack("=Q", len(piece)) + piece for piece in pieces))
            few, more = (collected(program, kernel, times, file) for times in (FEW, MORE))
            counts[name] = (more - few) // (MORE - FEW)
    return counts


def compiler() -> str:
    return os.environ.get("CC", "gcc")


def made_by() -> str:
    """Compiler, C library (its memcpy counts too) and valgrind: with others the counts are others."""
    told = [
        subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
        for program in (compiler(), "valgrind")
    ]
    return ", ".join([*told, " ".join(platform.libc_ver())])


def compare(counts: dict[str, int], known: dict[str, int]) -> list[str]:
    """Kernels that take over 3 % more than they did, and kernels of one side only."""
    faults = [f"{name}: no count is known, write them anew" for name in counts.keys() ^ known.keys()]
    for name in counts.keys() & known.keys():
        if counts[name] > known[name] * GATE:
            faults.append(
                f"{name}: {counts[name]} instructions, {counts[name] / known[name] - 1:.1%} more than {known[name]}"
            )
    return sorted(faults)


def main(arguments: list[str]) -> int:
    made = {"compiler": made_by(), "flags": " ".join(FLAGS), "instructions": count()}
    if arguments != ["--check"]:
        TARGET.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        return 0
    known = json.loads(TARGET.read_text(encoding="utf-8"))
    for name, number in made["instructions"].items():
        print(f"{number:>10}  {name}")
    if known["compiler"] != made["compiler"]:
        print(f"not compared: {TARGET.name} is of {known['compiler']}, this is {made['compiler']}")
        return 0
    faults = compare(made["instructions"], known["instructions"])
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
