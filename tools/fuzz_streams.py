"""Damaged real streams through the whole reader, on both engines: the Python side of tools/fuzz.py.

``python tools/fuzz_streams.py --seconds 60`` (or ``--runs N``; ``--seed``) takes the captures of tests/streams, damages
them where their structure says that it counts (headers, lengths and footers of sections, words of RAM pages, numbers of
the vmdescription, whole sections) and loads them. A finding is: another exception than VnetmigError, engines that
disagree, a stream that does not encode to the bytes it was read from, pages stepped over in another number of words
than one at a time, or a load of more than ten seconds. It is written to ``--findings``; with any, the exit code is 1.
The counts are one line of JSON.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import lzma
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import vnetmig
from vnetmig.engine import engines, get
from vnetmig.errors import VnetmigError
from vnetmig.stream import vmdescription
from vnetmig.stream.libvirt import LibvirtImage

ROOT = Path(__file__).resolve().parent.parent
SLOW = 10.0
LARGEST = 1 << 20
"""Bytes of a capture that is still worth its time."""
SMALL = 1 << 17
"""Bytes of one that is read in milliseconds."""
DESCRIPTION_HEADER = 5
"""qemu: migration/savevm.c:qemu_savevm_state_complete_precopy: u8 QEMU_VM_VMDESCRIPTION, u32 length"""
PART_OF_RAM = 4096
SECTION_PART = 2
"""qemu: migration/savevm.c:QEMU_VM_SECTION_PART"""


@dataclass
class Capture:
    """A real stream and the places in it that mean something: (begin, end) of headers, footers and sections."""

    name: str
    data: bytes
    edges: list[tuple[int, int]] = field(default_factory=list)
    sections: list[tuple[int, int]] = field(default_factory=list)
    numbers: list[tuple[int, int]] = field(default_factory=list)
    description: tuple[int, int] | None = None
    """(begin, bytes) of the text of the vmdescription."""

    @classmethod
    def read(cls, folder: Path) -> Capture | None:
        (path,) = folder.glob("stream.bin*")
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        return cls.of(folder.name, data) if len(data) <= LARGEST else None

    @classmethod
    def of(cls, name: str, data: bytes) -> Capture:
        capture = cls(name, data)
        for section in vnetmig.load(data, partial=True).sections:
            begin, end = section.span
            first, last = section.payload_span
            capture.sections.append((begin, end))
            capture.edges += [(begin, first + 16), (max(last - 8, first), end + 8)]
        place = vmdescription.find(data)
        if place is not None:
            text, size = capture.description = place
            numbers = re.finditer(rb"\d+", data[text : text + size])
            capture.numbers = [(text + m.start(), text + m.end()) for m in numbers]
        return capture

    def shortened(self) -> Capture:
        """Without the vmdescription and most pages of RAM: what takes the time of a load, and the room of a corpus."""
        data = bytearray(self.data)
        if self.description is not None:
            del data[self.description[0] - DESCRIPTION_HEADER :]
        for begin, end in reversed(self.sections):
            if end - begin > PART_OF_RAM and data[begin] == SECTION_PART:
                del data[begin:end]
        return Capture.of(f"{self.name}, shortened", bytes(data))

    def wrapped(self) -> tuple[Capture, Capture]:
        """As a libvirt image, and compressed; damaged in what is around the stream."""
        image = LibvirtImage(b"<domain/>", 1).encode() + self.data
        packed = gzip.compress(self.data, mtime=0)
        return (
            Capture(f"{self.name}, of libvirt", image, [(0, len(image) - len(self.data))]),
            Capture(f"{self.name}, gzip", packed, [(0, 16), (len(packed) - 8, len(packed))]),
        )


def captures() -> list[Capture]:
    """Of tests/streams, by name; not the largest."""
    folders = sorted(path.parent for path in (ROOT / "tests" / "streams").glob("*/truth.json"))
    return [capture for folder in folders if (capture := Capture.read(folder)) is not None]


@lru_cache(maxsize=1)
def small_captures() -> list[Capture]:
    """Small ones as they are, those that are small without their vmdescription and pages, and the least in wrappers."""
    whole = captures()
    small = [capture for capture in (*whole, *(one.shortened() for one in whole)) if len(capture.data) <= SMALL]
    return [*small, *min(small, key=lambda capture: len(capture.data)).wrapped()]


def some_place(capture: Capture, data: bytearray, rng: random.Random) -> int:
    """Mostly on an edge; of the undamaged capture, so only about right after a move."""
    begin, end = rng.choice(capture.edges or [(0, len(data))])
    at = rng.randrange(begin, end) if rng.random() < 0.7 else rng.randrange(len(data))
    return min(at, len(data) - 1)


def flip(capture: Capture, data: bytearray, rng: random.Random) -> None:
    at = some_place(capture, data, rng)
    data[at] = rng.choice((data[at] ^ 1 << rng.randrange(8), 0, 0xFF, rng.randrange(256)))


def cut(capture: Capture, data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def word(capture: Capture, data: bytearray, rng: random.Random) -> None:
    at = some_place(capture, data, rng)
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, rng.randrange(1 << 16))) & ((1 << 8 * width) - 1)
    data[at : at + width] = value.to_bytes(width, "big")


def move_section(capture: Capture, data: bytearray, rng: random.Random) -> None:
    if len(capture.sections) < 2:
        cut(capture, data, rng)
        return
    begin, end = rng.choice(capture.sections)
    at, _ = rng.choice(capture.sections)
    piece = bytes(data[begin:end])
    if rng.random() < 0.5:
        del data[begin:end]
    if rng.random() < 0.7:
        data[at:at] = piece


def number(capture: Capture, data: bytearray, rng: random.Random) -> None:
    if not capture.numbers:
        flip(capture, data, rng)
        return
    begin, end = rng.choice(capture.numbers)
    digits = rng.choice((b"0", b"1", b"-1", b"4294967296", b"1e9", b"99999999999999999999", b"null", b'"x"', b"[]"))
    data[begin:end] = digits[: end - begin].ljust(end - begin) if rng.random() < 0.7 else digits


DAMAGE: tuple[Callable[[Capture, bytearray, random.Random], None], ...] = (
    flip, flip, word, word, cut, move_section, number, number,
)  # fmt: skip


def outcome(data: bytes, engine: str) -> tuple[str, list[tuple[str, bytes]]]:
    """What the stream comes to: the error's text or "", and the record of every section."""
    stream = vnetmig.load(data, partial=True, engine=engine)
    records = []
    for section in stream.sections:
        record = section.record
        records.append((section.idstr, bytes(record.data) if record is not None else b""))
    if stream.error is None and stream.encode() != data:
        raise AssertionError("the stream does not encode to its own bytes")
    return str(stream.error or ""), records


def finding_in(data: bytes, told: Counter[str]) -> str:
    """Load ``data`` everywhere; what is wrong with that, or ""."""
    outcomes = []
    for engine in engines():
        start = time.process_time()
        try:
            outcomes.append(outcome(data, engine))
        except VnetmigError as error:
            outcomes.append((str(error), []))
        except Exception:
            return f"{engine}: {traceback.format_exc()}"
        if time.process_time() - start > SLOW:
            return f"{engine}: {time.process_time() - start:.1f} s"
    told["refused" if outcomes[0][0] else "read"] += 1
    if outcomes != [outcomes[0]] * len(outcomes):
        return f"engines disagree: {[(text, len(records)) for text, records in outcomes]}"
    return ""


def finding_in_pages(rng: random.Random) -> str:
    """Words of pages, real and not: all at once and one at a time, by every engine, end at the same place."""
    size, highest = 16, rng.choice((-1, 16, 64, 1 << 40))
    pieces = []
    for _ in range(rng.randrange(12)):
        address = rng.choice((0, 16, 32, 64, 80, 1 << 40))
        flag = rng.choice((0x28, 0x22, 0x22, 0x22, 0x08, 0x02, 0x20, 0x10))
        pieces.append((address | flag).to_bytes(8, "big") + bytes(size if flag & 8 else rng.choice((1, 1, 1, 0, 2))))
    data = b"".join(pieces)
    data = data[: rng.randrange(len(data) + 1)]
    limit = rng.choice((1, 3, 1000))
    together = get().scan_ram(data, 0, limit, 64, highest)
    for name in engines():
        scan = get(name).scan_ram
        at = words = needs = 0
        while words < limit:
            at, stepped, needs = scan(data, at, 1, 64, highest)
            words += stepped
            if not stepped:
                break
        if words == limit:
            needs = together[2]
        if (at, words, needs) != together:
            return f"{together} at once, {(at, words, needs)} in steps of {name}: {data.hex()}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    limit = parser.add_mutually_exclusive_group(required=True)
    limit.add_argument("--seconds", type=float)
    limit.add_argument("--runs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--findings", type=Path, default=ROOT / "build" / "fuzz" / "findings")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    known = captures()
    told: Counter[str] = Counter()
    start = time.monotonic()
    while told["streams"] < given.runs if given.runs else time.monotonic() - start < given.seconds:
        capture = rng.choice(known)
        data = bytearray(capture.data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            if data:
                rng.choice(DAMAGE)(capture, data, rng)
        told["streams"] += 1
        wrong = finding_in(bytes(data), told)
        for _ in range(20):
            told["page scans"] += 1
            wrong = wrong or finding_in_pages(rng)
        if wrong:
            told["findings"] += 1
            given.findings.mkdir(parents=True, exist_ok=True)
            name = hashlib.sha1(data).hexdigest()[:16]
            (given.findings / f"stream-{name}").write_bytes(data)
            print(f"stream-{name} ({capture.name}): {wrong}", file=sys.stderr)
    told["findings"] += 0
    print(json.dumps({"target": "streams", **told, "seconds": round(time.monotonic() - start, 1), "seed": given.seed}))
    return 1 if told["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
