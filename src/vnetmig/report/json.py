"""Reports as JSON text: readable, and short enough to read with the eye.

Knows plain dicts, lists and scalars only. An object without containers in it stands on one line, so that a hundred
thousand fields are as many lines and tools that work on lines work too. All text is ASCII.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from vnetmig.errors import StreamError
    from vnetmig.vmstate.value import Value

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | Iterator[Json] | None"
"""An iterator is a list that is made while it is written."""


class Text(str):
    """JSON already: an object or value on one line."""

    __slots__ = ()


class Texts(str):
    """JSON already: some values of an array, each on a line of its own, without comma and indentation."""

    __slots__ = ()


_INDENT = "  "


def pieces(value: Json, depth: int = 0) -> Iterator[str]:
    """The text of ``value``, in pieces."""
    if type(value) is Text:
        yield value
    elif _on_one_line(value):
        yield json.dumps(value)
    elif isinstance(value, dict):
        yield from _object(value, depth)
    elif isinstance(value, list | Iterator):
        yield from _array(value, depth)


_SCALARS = frozenset({bool, int, float, str, type(None)})


def _on_one_line(value: Json) -> bool:
    """Scalars, and containers of scalars and of short lists."""
    if type(value) in _SCALARS:
        return True
    if not isinstance(value, dict | list):
        return False
    for child in value.values() if isinstance(value, dict) else value:
        if type(child) not in _SCALARS and not (isinstance(child, list) and all(type(i) in _SCALARS for i in child)):
            return False
    return True


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
        if type(child) is Text:
            yield f"{separator}{inner}{child}"
        elif type(child) is Texts:
            yield separator + inner + child.replace("\n", f",\n{inner}")
        elif _on_one_line(child):  # nearly always: one piece instead of a generator
            yield f"{separator}{inner}{json.dumps(child)}"
        else:
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
