"""The refusal corpus on disk: broken streams as edits of a few base streams, and what a real QEMU did with each.

Knows how it is stored and how an edit is applied; knows no stream format and starts nothing.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "refused"
CASES = FOLDER / "cases.json.xz"
PROGRAM = "qemu-system-x86_64: "


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """``delete`` bytes of the base go away at ``offset``, ``insert`` comes in their place."""

    offset: int
    delete: int
    insert: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One stream and what became of it; ``name`` is "group/what". ``destination`` replaces arguments of the base's
    command line: (old, new) pairs; an empty new one takes it away, an empty old one adds it."""

    name: str
    base: str  #: of refused_machines.MACHINES
    qemu: str  #: of refused_machines.QEMUS
    edits: tuple[Edit, ...]
    result: str  #: as refused_load.Outcome has it
    stderr: str
    destination: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        return f"{self.qemu}-{self.base}-{self.name}"

    @property
    def group(self) -> str:
        return self.name.split("/")[0]

    @property
    def first(self) -> str:
        """QEMU's first line without the program's name; empty when it said nothing."""
        return self.stderr.split("\n", 1)[0].removeprefix(PROGRAM)

    @property
    def stream(self) -> bytes:
        return edited(base(self.base, self.qemu), self.edits)


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    """``data`` with all of ``edits``, whose offsets are those of ``data``."""
    out = bytearray()
    at = 0
    for edit in sorted(edits):
        if edit.offset < at:
            raise ValueError(f"edits overlap at {edit.offset:#x}")
        out += data[at : edit.offset] + edit.insert
        at = edit.offset + edit.delete
    return bytes(out + data[at:])


def arguments(given: Sequence[str], destination: Iterable[tuple[str, str]]) -> list[str]:
    """``given`` with the replacements of ``destination``."""
    out = list(given)
    for old, new in destination:
        if not old:
            out += new.split(" ")
        elif (at := next((n for n, argument in enumerate(out) if old in argument), None)) is None:
            raise ValueError(f"no argument has '{old}'")
        elif new:
            out[at] = out[at].replace(old, new)
        else:
            del out[at - 1 : at + 1]
    return out


def base_path(machine: str, qemu: str) -> Path:
    return FOLDER / f"{machine}-{qemu}.bin.xz"


@cache
def base(machine: str, qemu: str) -> bytes:
    """The good stream that the cases of ``machine`` and ``qemu`` are edits of."""
    return lzma.decompress(base_path(machine, qemu).read_bytes())


Part = str | list[Any]
"""Of an insertion as it is stored: hex, [begin, end] of the base, or [hex, times]."""

SHORT = 64
"""Bytes that are stored as they are."""

UNITS = (1, 2, 4, 6, 10, 16)
"""Sizes of what may be repeated: a byte, an integer, a MAC, entries of queues."""


def _parts(insert: bytes, data: bytes) -> list[Part]:
    """``insert`` in short: a piece of ``data``, or something that ends in repetitions."""
    if len(insert) > SHORT:
        at = data.find(insert)
        if at >= 0:
            return [[at, at + len(insert)]]
        for size in UNITS:
            unit = insert[-size:]
            times = 0
            while times * size < len(insert) and insert.endswith(unit, 0, len(insert) - times * size):
                times += 1
            if times * size > SHORT:
                return [insert[: len(insert) - times * size].hex(), [unit.hex(), times]]
    return [insert.hex()]


def _joined(parts: Iterable[Part], data: bytes) -> bytes:
    out = b""
    for part in parts:
        match part:
            case str():
                out += bytes.fromhex(part)
            case [int(begin), int(end)]:
                out += data[begin:end]
            case [str(unit), int(times)]:
                out += bytes.fromhex(unit) * times
    return out


def store(cases: Iterable[Case]) -> None:
    """Write ``cases``; each distinct stderr once."""
    said: dict[str, int] = {}
    rows = [
        [
            *(case.name, case.base, case.qemu, case.result, said.setdefault(case.stderr, len(said))),
            [[edit.offset, edit.delete, *_parts(edit.insert, base(case.base, case.qemu))] for edit in case.edits],
            case.destination,
        ]
        for case in cases
    ]
    text = json.dumps({"stderr": list(said), "cases": rows}, separators=(",", ":"))
    CASES.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


@cache
def cases() -> tuple[Case, ...]:
    """Every case, in the order they were recorded."""
    stored = json.loads(lzma.decompress(CASES.read_bytes()))
    return tuple(
        Case(
            *(name, machine, qemu),
            tuple(
                Edit(offset, delete, _joined(parts, base(machine, qemu) if any(map(_is_list, parts)) else b""))
                for offset, delete, *parts in edits
            ),
            *(result, stored["stderr"][said]),
            tuple((old, new) for old, new in destination),
        )
        for name, machine, qemu, result, said, edits, destination in stored["cases"]
    )


def _is_list(part: Part) -> bool:
    return isinstance(part, list)


def sample(chosen: Sequence[Case], each: int) -> list[Case]:
    """At most ``each`` of every group, spread evenly over it; the same ones every time."""
    groups: dict[str, list[Case]] = {}
    for case in chosen:
        groups.setdefault(case.group, []).append(case)
    return [
        group[n * len(group) // min(each, len(group))]
        for group in groups.values()
        for n in range(min(each, len(group)))
    ]
