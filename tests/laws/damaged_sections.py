"""Every single-bit flip and every truncation of a section, and what becomes of each.

Shared by test_damaged_sections.py, which takes a part, and tools/sweep.py, which takes all. A damage of a section is a
number: below 8 * its bytes, the bit that flips; from there on, the bytes that are left of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from real_streams import Sample

from vnetmig.errors import StreamError
from vnetmig.vmstate import Program

LEGACY = ("linux-user-legacy-q72", "virtio-net")
MODERN = ("linux-tap-4q-rss-q100", "virtio-net")
"""Four pairs, with queue arrays of 1,024 entries in two of its subsections: 46 KB."""

OURS = {"bad_program", "bad_record", "no_room", "count_mismatch", "too_deep"}
"""Codes that blame the program, the record or the caller: no bytes from outside may lead to them."""


class Fault(Exception):
    """What a sweep looks for."""


class Verdict(NamedTuple):
    """What an engine makes of bytes: all that must be the same on the other."""

    code: str  #: "whole"; "early end": fine, with bytes left over; otherwise the error's
    text: str  #: of the error: message, offset, field, what was expected and what came
    size: int
    needs: int
    record: bytes


class Swept(NamedTuple):
    codes: Counter[str]
    faults: list[str]


def damages(size: int) -> range:
    return range(9 * size)


def damaged(payload: bytes, number: int) -> bytes:
    if number >= 8 * len(payload):
        return payload[: number - 8 * len(payload)]
    data = bytearray(payload)
    data[number // 8] ^= 1 << number % 8
    return bytes(data)


def name_of(number: int, size: int) -> str:
    if number >= 8 * size:
        return f"the first {number - 8 * size} bytes"
    return f"bit {number % 8} of byte {number // 8} flipped"


def verdict(program: Program, data: bytes, engine: str) -> Verdict:
    """Load ``data`` and save what is fine. Fault where that breaks a promise."""
    loaded = program.load(data, engine=engine)
    error = loaded.error
    if error is None:
        if program.save(loaded.record, engine) != data[: loaded.size]:
            raise Fault("saves other bytes than it was loaded from")
        code, text = "whole" if loaded.size == len(data) else "early end", ""
    else:
        code, text = error.code, str(error)
        if not isinstance(error, StreamError) or code in OURS:
            raise Fault(f"not an error of the bytes: {error!r} ({code})")
        if not 0 <= error.offset <= len(data):
            raise Fault(f"an offset outside of the bytes: {error.offset}")
    return Verdict(code, text, loaded.size, loaded.needs, bytes(loaded.record.data))


def fault_in(program: Program, data: bytes, engines: Sequence[str]) -> tuple[str, str]:
    """(code, what is wrong or "") of ``data`` on all ``engines``."""
    verdicts = []
    for engine in engines:
        try:
            verdicts.append(verdict(program, data, engine))
        except Exception as fault:  # a Fault, and whatever else must not leave a reader
            return "fault", f"{engine}: {type(fault).__name__}: {fault}"
    first = verdicts[0]
    for engine, other in zip(engines, verdicts, strict=True):
        differ = [name for name, a, b in zip(Verdict._fields, first, other, strict=True) if a != b]
        if differ:
            return "fault", f"{engines[0]} and {engine} differ in {', '.join(differ)}: {first[:4]} / {other[:4]}"
    return first.code, ""


def sweep(found: Sample, numbers: Iterable[int], engines: Sequence[str]) -> Swept:
    """The damages ``numbers`` of a section, on each of ``engines``."""
    swept = Swept(Counter(), [])
    size = len(found.payload)
    for number in numbers:
        code, fault = fault_in(found.program, damaged(found.payload, number), engines)
        swept.codes[code] += 1
        if fault:
            swept.faults.append(f"{found.name}, {name_of(number, size)}: {fault}")
    return swept
