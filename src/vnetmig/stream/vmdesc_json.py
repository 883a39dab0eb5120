"""The JSON of a vmdescription: its text to values that keep every pair, and back in QEMU's two styles.

Knows JSON as QEMU writes it and the bounds of a hostile text. Must not know what any key means.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vnetmig.errors import StreamError

DEPTH_MAX = 100
"""Nested arrays and objects. Real ones reach about twenty; Python's own recursion ends near a thousand."""
VALUES_MAX = 4 << 20
"""Values in one description: a linear bound on memory, since two bytes of text can be one Python object."""


class JsonObject(Mapping[str, Any]):
    """A JSON object that keeps its pairs, duplicates included; by key, the last one wins.

    qtailq, qlist and gtree fields repeat their keys once per element
    (qemu: migration/vmstate.c:vmstate_save_state_v).
    """

    __slots__ = ("_last", "pairs")

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs
        self._last = dict(pairs)

    def __getitem__(self, key: str) -> Any:
        return self._last[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonObject) and self.pairs == other.pairs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"JsonObject({self.pairs!r})"


class Style(enum.Enum):
    """How QEMU lays the text out."""

    SPACED = "spaced"
    """5.2 (qemu: migration/qjson.c): one space inside brackets, ``" : "``, no escaping."""
    COMPACT = "compact"
    """6.0 and later (qemu: qobject/json-writer.c): nothing inside brackets, ``": "``, ASCII only."""


@dataclass(frozen=True, slots=True)
class Layout:
    object: tuple[str, str]
    array: tuple[str, str]
    colon: str
    escapes: bool


_LAYOUTS = {
    Style.SPACED: Layout(("{ ", " }"), ("[ ", " ]"), " : ", escapes=False),
    Style.COMPACT: Layout(("{", "}"), ("[", "]"), ": ", escapes=True),
}
_COMMA = ", "
_SPECIAL = re.compile(r'[^ -~]|["\\]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONSTANTS = {True: "true", False: "false", None: "null"}


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    short = _SHORT_ESCAPES.get(character)
    if short is not None:
        return short
    point = ord(character)
    if point <= 0xFFFF:
        return f"\\u{point:04X}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04X}\\u{0xDC00 + (point & 0x3FF):04X}"


def render(root: Any, style: Style) -> str:
    """The JSON text of ``root`` as that QEMU writes it."""
    layout = _LAYOUTS[style]

    def string(text: str) -> str:
        return f'"{_SPECIAL.sub(_escape, text)}"' if layout.escapes else f'"{text}"'

    def value(node: Any) -> str:
        if isinstance(node, str):
            return string(node)
        if isinstance(node, JsonObject):
            pairs = [string(key) + layout.colon + value(child) for key, child in node.pairs]
            return layout.object[0] + _COMMA.join(pairs) + layout.object[1]
        if isinstance(node, list):
            return layout.array[0] + _COMMA.join(map(value, node)) + layout.array[1]
        if node is None or isinstance(node, bool):
            return _CONSTANTS[node]
        return repr(node)

    return value(root)


def too_many_values(text: bytes) -> bool:
    return text.count(b",") + text.count(b"{") + text.count(b"[") > VALUES_MAX


def parse(text: bytes) -> JsonObject:
    """The root object. Raises StreamError (offset within the text) if this is not such a JSON."""
    if too_many_values(text):
        raise StreamError("vmdescription has too many values", expected=f"at most {VALUES_MAX}", code="limit")
    try:
        # Raw control characters and raw non-UTF-8 are what the unescaped 5.2 style would contain.
        root = json.loads(text.decode("utf-8", "surrogateescape"), object_pairs_hook=JsonObject, cls=_Lenient)
    except json.JSONDecodeError as error:
        position = len(error.doc[: error.pos].encode("utf-8", "surrogateescape"))
        raise StreamError("vmdescription is not JSON", offset=position, got=error.msg) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise StreamError("vmdescription is not JSON", got=str(error)) from None
    if not isinstance(root, JsonObject):
        raise StreamError("vmdescription is not a JSON object", expected="{", got=type(root).__name__)
    _check_depth(root)
    return root


class _Lenient(json.JSONDecoder):
    def __init__(self, **options: Any) -> None:
        super().__init__(strict=False, **options)


def _check_depth(root: JsonObject) -> None:
    level: list[Any] = [root]
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for node in level:
            children = node if type(node) is list else [child for _, child in node.pairs]
            below += [child for child in children if type(child) is list or type(child) is JsonObject]
        if not below:
            return
        level = below
    raise _too_deep()


def _too_deep() -> StreamError:
    return StreamError("vmdescription is nested too deep", expected=f"at most {DEPTH_MAX}", code="limit")
