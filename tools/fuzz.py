"""Run the fuzz targets of csrc/fuzz and of the Python reader, and log what they did: one command, short or long.

``python tools/fuzz.py --seconds 30`` shares 30 seconds among the targets; ``--runs 10000000`` gives each target so many
executions. Builds them with clang (build/fuzz), starts from the committed corpora (csrc/fuzz/corpus) and the seeds of
tools/fuzz_seeds.py, and writes a line of JSON per target to ``--log`` (default: build/fuzz/log.jsonl) and to stdout:
executions, seconds, edges covered, findings, a digest of the source, and of the target ``whole`` how many inputs had
which length. Findings stand in build/fuzz/findings; with any, or when a target covers nothing, the exit code is 1.
``--keep`` minimises what was found into the committed corpora. ``--target reader`` is tools/fuzz_reader.py, which needs
atheris and is left out when no target is named.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "fuzz"
KEPT = ROOT / "csrc" / "fuzz" / "corpus"
TARGETS = ("load", "whole", "save", "program", "delta", "ring", "scan")
READER = "reader"
MAX_LEN = {"whole": 1 << 16, READER: 1 << 17}
"""Bytes of one input, where it is not DEFAULT_MAX_LEN."""
DEFAULT_MAX_LEN = 4096
OPTIONS = {"whole": ["-len_control=0", "-reduce_inputs=0"], READER: ["-len_control=0"]}
SANITIZER = {"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}
"""The core frees nothing: to keep freed memory aside finds nothing, and takes two thirds of the time."""
KEPT_BYTES = 1 << 20
"""Of one minimised corpus, before compression; the smallest inputs are kept."""


def build() -> None:
    configure = ["cmake", "-S", ROOT, "-B", BUILD, "-DCMAKE_C_COMPILER=clang", "-DVNETMIG_FUZZ=ON"]
    for command in (configure, ["cmake", "--build", BUILD, "-j2"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def program(target: str) -> list[str | Path]:
    """The command that takes libFuzzer's arguments."""
    return [sys.executable, ROOT / "tools" / "fuzz_reader.py"] if target == READER else [BUILD / f"fuzz_{target}"]


def corpus(target: str) -> Path:
    """The folder that a target works in, with the committed corpus unpacked."""
    folder = BUILD / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    packed = KEPT / f"{target}.tar.xz"
    if packed.exists():
        with tarfile.open(packed) as archive:
            for member in archive.getmembers():
                source = archive.extractfile(member)
                if source is not None:
                    (folder / Path(member.name).name).write_bytes(source.read())
    return folder


def source(target: str) -> str:
    """Which code was fuzzed: a digest of the C core, or of the package that is imported here."""
    package = find_spec("vnetmig")
    if target == READER and package is not None and package.origin:
        files = Path(package.origin).parent.rglob("*.py")
    else:
        files = (ROOT / "csrc").glob("*.[ch]")
    digest = hashlib.sha1()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run(target: str, limits: list[str], max_len: int, seed: int) -> dict[str, object]:
    findings = BUILD / "findings"
    findings.mkdir(exist_ok=True)
    command = [*program(target), *limits, f"-max_len={max_len}", f"-seed={seed}", *OPTIONS.get(target, [])]
    command += ["-timeout=25", "-print_final_stats=1"]
    command += [f"-artifact_prefix={findings}/{target}-", corpus(target), BUILD / "seeds" / target]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=SANITIZER | os.environ)
    seconds = time.monotonic() - start
    executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    lengths = re.findall(r"stat::length: (\d+) (\d+)", done.stderr)
    outcomes = re.findall(r"stat::outcomes: (.*)", done.stderr)
    if done.returncode:
        print(done.stderr[-4000:], file=sys.stderr)
    elif not covered:
        print(f"{target}: nothing is covered, so it went nowhere: its executions do not count", file=sys.stderr)
    return {
        "target": target,
        "executions": int(executed[1]) if executed else 0,
        "seconds": round(seconds, 1),
        "edges": int(covered[-1]) if covered else 0,
        "max_len": max_len,
        "seed": seed,
        "source": source(target),
        **({"lengths": {length: int(number) for length, number in lengths}} if lengths else {}),
        **({"outcomes": json.loads(outcomes[-1])} if outcomes else {}),
        "findings": int(done.returncode != 0 or not covered),
    }


def keep(target: str, max_len: int) -> None:
    """Put the minimised corpus of a target in the repository."""
    small = BUILD / "minimised" / target
    small.mkdir(parents=True, exist_ok=True)
    command = [*program(target), "-merge=1", f"-max_len={max_len}"]
    command += [small, corpus(target), BUILD / "seeds" / target]
    subprocess.run(command, check=True, capture_output=True)
    KEPT.mkdir(exist_ok=True)
    left = KEPT_BYTES
    with tarfile.open(KEPT / f"{target}.tar.xz", "w:xz") as archive:
        for path in sorted(small.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
            data = path.read_bytes()
            left -= len(data)
            if left < 0:
                break
            member = tarfile.TarInfo(path.name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    limit = parser.add_mutually_exclusive_group(required=True)
    limit.add_argument("--seconds", type=float, help="for all targets together")
    limit.add_argument("--runs", type=int, help="executions of each target")
    parser.add_argument(
        "--target", choices=(*TARGETS, READER), action="append", help="only this one (may be given again)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer's choices; 0: another one each time")
    parser.add_argument("--max-len", type=int, help="bytes of one input (default: 4096; whole, reader: more)")
    parser.add_argument("--log", type=Path, default=BUILD / "log.jsonl")
    parser.add_argument("--keep", action="store_true", help="minimise into csrc/fuzz/corpus")
    given = parser.parse_args()
    targets = given.target or TARGETS
    if READER in targets and find_spec("atheris") is None:
        parser.error("the reader needs atheris: pip install atheris")
    if targets != [READER]:
        build()
    seeds = [sys.executable, ROOT / "tools" / "fuzz_seeds.py", "seeds", BUILD / "seeds"]
    subprocess.run(seeds, check=True)
    share = max(round(given.seconds / len(targets)), 1) if given.seconds else 0
    limits = [f"-max_total_time={share}"] if share else [f"-runs={given.runs}"]
    findings = 0
    with given.log.open("a") as log:
        for target in targets:
            max_len = given.max_len or MAX_LEN.get(target, DEFAULT_MAX_LEN)
            line = run(target, limits, max_len, given.seed)
            findings += int(bool(line["findings"]))
            for out in (log, sys.stdout):
                print(json.dumps(line), file=out, flush=True)
            if given.keep:
                keep(target, max_len)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
