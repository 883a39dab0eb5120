"""Flip every bit of whole virtio-net sections, and cut them at every byte: what becomes of each.

``python tools/sweep.py --workers 2`` takes a legacy and a modern section out of tests/streams (``--section`` others),
and makes each damage once. On every engine the result must be an error that names its place, or a valid section that is
saved to the same bytes; and between engines the same: code, message, offset, field, bytes of the record. One line of
JSON per section goes to stdout, progress and findings to stderr. Exit codes: 0 nothing found, 1 findings, 2 usage.
``--engine c`` leaves the comparison out and takes a fraction of the time; ``--every 100`` makes one damage of 100.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "laws"))

from damaged_sections import LEGACY, MODERN, Swept, damages, sweep  # noqa: E402
from real_streams import COMMITTED, Sample, sample  # noqa: E402

from vnetmig.engine import engines  # noqa: E402
from vnetmig.errors import VnetmigError  # noqa: E402

CHUNK = 2_000
SHOWN = 20
"""Findings of a section that are told one by one."""


@lru_cache(maxsize=8)
def section(capture: str, idstr: str) -> Sample:
    return sample(capture, idstr)


def chunk(which: tuple[str, str], numbers: range, chosen: tuple[str, ...]) -> Swept:
    """In a process of its own, perhaps."""
    return sweep(section(*which), numbers, chosen)


def chunks(numbers: range) -> list[range]:
    return [numbers[first : first + CHUNK] for first in range(0, len(numbers), CHUNK)]


def results(which: tuple[str, str], numbers: range, chosen: tuple[str, ...], workers: int) -> Iterator[Swept]:
    if workers == 1:
        yield from (chunk(which, piece, chosen) for piece in chunks(numbers))
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from (task.result() for task in [pool.submit(chunk, which, piece, chosen) for piece in chunks(numbers)])


def progress(name: str, done: int, total: int) -> None:
    percent = 100 * done // total
    if sys.stderr.isatty():
        print(f"\r{name}: {percent} %", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif percent // 10 > 100 * (done - CHUNK) // total // 10:
        print(f"{name}: {percent} %", file=sys.stderr, flush=True)


def complete(which: tuple[str, str], chosen: tuple[str, ...], workers: int, every: int) -> dict[str, object]:
    """The sweep of one section, as its line of JSON."""
    found, start = section(*which), time.monotonic()
    size = len(found.payload)
    numbers = damages(size)[::every]
    codes: Counter[str] = Counter()
    faults: list[str] = []
    for swept in results(which, numbers, chosen, workers):
        codes += swept.codes
        faults += swept.faults
        progress(found.name, codes.total(), len(numbers))
    for fault in faults[:SHOWN]:
        print(fault, file=sys.stderr)
    flips = len(range(0, 8 * size, every))
    return {
        "section": found.name,
        "bytes": size,
        "flips": flips,
        "truncations": len(numbers) - flips,
        "engines": chosen,
        "codes": dict(sorted(codes.items())),
        "seconds": round(time.monotonic() - start, 1),
        "findings": len(faults),
    }


def place(text: str) -> tuple[str, str]:
    """CAPTURE:IDSTR"""
    capture, _, idstr = text.partition(":")
    if not (COMMITTED / capture / "truth.json").exists() or not idstr:
        raise argparse.ArgumentTypeError(f"{text!r} is not CAPTURE:IDSTR with a capture of {COMMITTED}")
    return capture, idstr


def positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--section",
        metavar="CAPTURE:IDSTR",
        type=place,
        action="append",
        help="may be given again; IDSTR may be an end",
    )
    parser.add_argument("--engine", choices=engines(), action="append", help="only this one (default: all there are)")
    parser.add_argument("--workers", type=positive, default=1, help="processes")
    parser.add_argument("--every", type=positive, default=1, help="one damage of so many (default: 1, all)")
    given = parser.parse_args()
    sections = given.section or [LEGACY, MODERN]
    for which in sections:
        try:
            section(*which)
        except VnetmigError as error:
            parser.error(f"{':'.join(which)}: {error}")
    findings = 0
    for which in sections:
        line = complete(which, tuple(given.engine or engines()), given.workers, given.every)
        findings += int(bool(line["findings"]))
        print(json.dumps(line), flush=True)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
