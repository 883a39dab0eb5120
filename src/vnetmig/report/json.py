"""Reports as JSON text: readable, and short enough to read with the eye.

Knows plain dicts, lists and scalars only. An object without containers in it stands on one line, so that a hundred
thousand fields are as many lines and tools that work on lines work too. All text is ASCII.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from vnetmig.errors import StreamError
from vnetmig.vmstate.value import Value

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | Iterator[Json] | None"
"""An iterator is a list that is made while it is written."""

_INDENT = "  "


def pieces(value: Json, depth: int = 0) -> Iterator[str]:
    """The text of ``value``, in pieces."""
    if isinstance(value, dict) and not _flat(value.values()):
        yield from _object(value, depth)
    elif isinstance(value, Iterator) or (isinstance(value, list) and not _flat(value)):
        yield from _array(value, depth)
    else:
        yield json.dumps(value)


def _flat(values: Iterable[Json]) -> bool:
    return not any(
        isinstance(v, dict | Iterator) or (isinstance(v, list) and not all(isinstance(i, str | int) for i in v))
        for v in values
    )


def _object(value: Mapping[str, Json], depth: int) -> Iterator[str]:
    inner = _INDENT * (depth + 1)
    separator = "{\n"
    for key, child in value.items():
        yield f"{separator}{inner}{json.dumps(key)}: "
        yield from pieces(child, depth + 1)
        separator = ",\n"
    yield f"\n{_INDENT * depth}}}"


def _array(value: Iterable[Json], depth: int) -> Iterator[str]:
    inner = _INDENT * (depth + 1)
    opening = separator = "[\n"
    for child in value:
        yield separator + inner
        yield from pieces(child, depth + 1)
        separator = ",\n"
    yield "[]" if separator is opening else f"\n{_INDENT * depth}]"


def value_json(value: Value) -> Json:
    """A field's value: bytes as hexadecimal text, all else as it is."""
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, tuple):
        return list(value)
    return value


def error_json(error: StreamError) -> Json:
    """What stopped reading, part by part."""
    return {
        "message": error.message,
        "offset": error.offset,
        "section": error.section,
        "field": error.field,
        "expected": None if error.expected is None else str(error.expected),
        "got": None if error.got is None else str(error.got),
        "hint": error.hint,
        "code": error.code,
    }
