"""What an engine is measured against: the same bytes turned into values and back by other means.

``table loop``  a table of fields, gone through one at a time, values in a dict by path: the naive engine
``struct``      one precompiled Struct for the whole state, values in one flat tuple
``memcpy``      the bytes copied as they are: nothing can be quicker

Knows a record's fields; knows no engine. None of these checks anything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from vnetmig.vmstate.record import Record

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}

Row = tuple[str, int, bool]
"""(path, size, is it a number)"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to do it: ``save()`` gives the bytes, ``load()`` the state."""

    name: str
    save: Callable[[], object]
    load: Callable[[], object]


def floor(record: Record, wire: bytes) -> list[Candidate]:
    """The ways above for one state; each was tried and gives ``wire``."""
    rows = [
        (path, field.size, isinstance(field.value, int) and field.size in _CODES)
        for path, field in record.fields().leaves()
    ]
    return [_table_loop(rows, wire), _struct(rows, wire), _memcpy(wire)]


def _table_loop(rows: list[Row], wire: bytes) -> Candidate:
    def load() -> dict[str, int | bytes]:
        values: dict[str, int | bytes] = {}
        at = 0
        for path, size, number in rows:
            piece = wire[at : at + size]
            values[path] = int.from_bytes(piece, "big") if number else piece
            at += size
        return values

    state = load()

    def save() -> bytes:
        output = bytearray()
        for path, size, _ in rows:
            value = state[path]
            output += value.to_bytes(size, "big") if isinstance(value, int) else value
        return bytes(output)

    _check("table loop", save(), wire)
    return Candidate("table loop", save, load)


def _struct(rows: list[Row], wire: bytes) -> Candidate:
    whole = struct.Struct(">" + "".join(_CODES[size] if number else f"{size}s" for _, size, number in rows))
    values = whole.unpack(wire)
    _check("struct", whole.pack(*values), wire)
    return Candidate("struct", lambda: whole.pack(*values), lambda: whole.unpack(wire))


def _memcpy(wire: bytes) -> Candidate:
    memory = bytearray(wire)
    return Candidate("memcpy", lambda: bytes(memory), lambda: bytearray(wire))


def _check(name: str, made: bytes, wire: bytes) -> None:
    if made != wire:
        raise AssertionError(f"{name} gives other bytes")
