"""Real streams for the tests: those of tests/streams, and those below ``$VNETMIG_STREAMS`` when it is set.

``VNETMIG_COMPLETE=1`` makes the long sweeps complete; without it they take a fixed sample.
"""

from __future__ import annotations

import json
import lzma
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import vnetmig
from vnetmig.document.stream import Stream
from vnetmig.vmstate import Program

COMMITTED = Path(__file__).resolve().parent.parent / "streams"
COMPLETE = os.environ.get("VNETMIG_COMPLETE") == "1"

BIG_ARRAY = 128
"""Arrays of more entries than this (1,024 queues, VLAN words) are swept at their ends only."""


def folders() -> list[Path]:
    """Every capture, each name once."""
    found = {path.parent.name: path.parent for path in COMMITTED.glob("*/truth.json")}
    root = os.environ.get("VNETMIG_STREAMS")
    for path in Path(root).glob("*/truth.json") if root else ():
        found.setdefault(path.parent.name, path.parent)
    return [found[name] for name in sorted(found)]


every_capture = pytest.mark.parametrize("folder", folders(), ids=lambda path: path.name)
"""Runs a test once per capture, as ``folder``."""


every_committed_capture = pytest.mark.parametrize(
    "folder", sorted(path.parent for path in COMMITTED.glob("*/truth.json")), ids=lambda path: path.name
)


chosen_captures = every_capture if COMPLETE else every_committed_capture
"""For what takes seconds a capture: those of tests/streams, one of each kind."""


def committed(name: str) -> Path:
    return COMMITTED / name


@lru_cache(maxsize=4)
def read(folder: Path) -> bytes:
    """The stream's bytes."""
    (path,) = folder.glob("stream.bin*")
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def document(folder: Path, engine: str | None = None) -> Stream:
    """A new document each time: tests may change it."""
    return vnetmig.load(read(folder), engine=engine)


def truth(folder: Path) -> dict[str, Any]:
    """What QEMU said over QMP at the same stop."""
    told: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return told


class Sample(NamedTuple):
    """One section of a capture: the program that reads it, and its payload."""

    name: str
    program: Program
    payload: bytes


def sample(capture: str, idstr: str) -> Sample:
    """The section whose idstr ends with ``idstr`` in a committed capture."""
    stream = document(committed(capture))
    device = stream.device(idstr, 0)
    begin, end = device.section.payload_span
    return Sample(f"{capture}:{idstr}", device.record.program, read(committed(capture))[begin:end])


def samples(folder: Path) -> Iterator[Sample]:
    """Every section of a capture that has a record."""
    data = read(folder)
    for section in document(folder).sections:
        if section.record is None:
            continue
        begin = section.record_offset
        size = len(section.record.save())
        yield Sample(f"{folder.name}:{section.idstr}", section.record.program, data[begin : begin + size])


def inside_a_big_array(path: str, largest: dict[str, int]) -> bool:
    """Is ``path`` in an entry other than the first two and the last of a big array?"""
    for match in re.finditer(r"\[(\d+)\]", path):
        last = largest.get(path[: match.start()], 0)
        if last >= BIG_ARRAY and 1 < int(match[1]) < last:
            return True
    return False


def telling_offsets(found: Sample) -> list[int]:
    """Offsets of a payload that are worth a cut or a flip: all but those deep inside of big arrays."""
    record = found.program.load(found.payload).record
    leaves = list(record.fields().leaves())
    largest: dict[str, int] = {}
    for path, _ in leaves:
        for match in re.finditer(r"\[(\d+)\]", path):
            array = path[: match.start()]
            largest[array] = max(largest.get(array, 0), int(match[1]))
    offsets: list[int] = []
    for path, field in leaves:
        if not inside_a_big_array(path, largest):
            # of long buffers (PCI config space, saved elements) the two ends
            inner = range(field.offset, field.offset + field.size)
            offsets += inner if field.size <= 64 else [*inner[:8], *inner[-8:]]
    return offsets
