"""The kinds of values that a profile's TOML has: how each is written, and what is taken when it is read.

Knows types and limits; knows no key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError

TEXT_MAX: Final = 1 << 16
LIST_MAX: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Value:
    """``read`` takes what the TOML reader gave and the key's place, for its error."""

    read: Callable[[Any, str], Any]
    write: Callable[[Any], str]


def _wrong(where: str, expected: str, got: Any) -> FieldError:
    shown = repr(got)
    return FieldError(f"{where}: expected {expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise _wrong(where, "a string", value)
    return value


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_ODD = re.compile('["\\\\\x00-\x1f\x7f\ud800-\udfff]')


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"  # a byte that was no UTF-8: TOML has no way to say it
    return _ESCAPES.get(character) or f"\\u{ord(character):04x}"


def _write_text(value: str) -> str:
    return '"' + _ODD.sub(_escape, value) + '"'


def key_text(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _write_text(key)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


def _list(value: Any, where: str, expected: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise _wrong(where, expected, value)
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_text(item, where) for item in _list(value, where, "a list of strings"))


def _write_texts(values: tuple[str, ...] | list[str]) -> str:
    if len(values) <= 1:
        return f"[{', '.join(map(_write_text, values))}]"
    return "[\n" + "".join(f"    {_write_text(value)},\n" for value in values) + "]"


def number(least: int, most: int, base: int = 10) -> Value:
    """A whole number between two limits."""

    def read(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _wrong(where, f"a number {least} to {most if base == 10 else hex(most)}", value)
        return value

    return Value(read, hex if base == 16 else str)


def _numbers(value: Any, where: str) -> tuple[int, ...]:
    one = number(0, 1 << 16)
    return tuple(one.read(item, where) for item in _list(value, where, "a list of numbers"))


def _sizes(value: Any, where: str) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise _wrong(where, "a table of bytes by block", value)
    one = number(0, 1 << 60)
    return {name: one.read(size, f"{where}.{name}") for name, size in value.items()}


def _release(value: Any, where: str) -> Release:
    if not isinstance(value, str) or re.fullmatch(r"\d{1,3}\.\d{1,3}(\.\d{1,3})?", value) is None:
        raise _wrong(where, 'a QEMU version such as "7.2"', value)
    return Release.parse(value)


TEXT: Final = Value(_text, _write_text)
TEXTS: Final = Value(_texts, _write_texts)
NAMES: Final = Value(lambda value, where: frozenset(_texts(value, where)), lambda names: _write_texts(sorted(names)))
FLAG: Final = Value(_flag, lambda value: "true" if value else "false")
NUMBERS: Final = Value(_numbers, lambda values: f"[{', '.join(map(str, values))}]")
SIZES: Final = Value(_sizes, str)
RELEASE: Final = Value(_release, lambda release: _write_text(str(release)))
