"""The data of a page: one JSON object and named columns of numbers, compressed.

Knows the container only. A million small objects would take a browser seconds; as columns they are typed arrays over
one buffer. page.js reads it again: zlib( u32 length of the JSON | JSON | columns, each at a multiple of 8 ), where the
JSON's ``columns`` is {name: [type, offset, count]}; all numbers little-endian.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Mapping
from typing import Any

from vnetmig.report.json import Json

_LENGTH = 4
_ALIGN = 8
_LEVEL = 6
"""zlib's: 9 takes three times as long for two per cent."""

Column = bytes | array  # type: ignore[type-arg]  # of any number type

_TYPES = {("B", 1): "Uint8Array", ("H", 2): "Uint16Array", ("I", 4): "Uint32Array", ("d", 8): "Float64Array"}
"""JavaScript's names of array.array's types."""


def pack(head: Mapping[str, Json], columns: Mapping[str, Column]) -> bytes:
    """The bytes of a page's data."""
    places: dict[str, list[Any]] = {}
    body = bytearray()
    for name, column in columns.items():
        values = array("B", column) if isinstance(column, bytes) else column
        places[name] = [_TYPES[values.typecode, values.itemsize], len(body), len(values)]
        body += _little_endian(values)
        body += bytes(-len(body) % _ALIGN)
    text = json.dumps({**head, "columns": places}, separators=(",", ":")).encode("ascii")
    front = len(text).to_bytes(_LENGTH, "little") + text
    return zlib.compress(front + bytes(-len(front) % _ALIGN) + body, _LEVEL)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, Column]]:
    """``pack`` backwards: (JSON, columns)."""
    whole = zlib.decompress(data)
    behind = _LENGTH + int.from_bytes(whole[:_LENGTH], "little")
    head: dict[str, Any] = json.loads(whole[_LENGTH:behind])
    codes = {name: code for (code, _), name in _TYPES.items()}
    base = behind + -behind % _ALIGN
    columns: dict[str, Column] = {}
    for name, (kind, offset, count) in head.pop("columns").items():
        values: array[Any] = array(codes[kind])
        start = base + offset
        values.frombytes(whole[start : start + count * values.itemsize])
        columns[name] = array(values.typecode, _swapped(values)) if sys.byteorder == "big" else values
    return head, columns


def _little_endian(values: array[Any]) -> bytes:
    return (_swapped(values) if sys.byteorder == "big" else values).tobytes()


def _swapped(values: array[Any]) -> array[Any]:
    copy = values[:]
    copy.byteswap()
    return copy
