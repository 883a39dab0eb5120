"""The vmdescription: the JSON behind the end of a stream that names every device and the size of its fields.

Knows JSON as QEMU writes it and the few keys that give sizes. Must not know what a field means: compiling a
description into a program is vmstate's business. The text is regenerated from values in QEMU's two styles;
where that does not give the same bytes the original text is kept, and ``verbatim`` says so.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.cursor import Buffer, be
from vnetmig.stream.framing import DEFAULT_LIMITS

DEPTH_MAX = 100
"""Nested arrays and objects. Real ones reach about twenty; Python's own recursion ends near a thousand."""
VALUES_MAX = 4 << 20
"""Values in one description: a linear bound on memory, since two bytes of text can be one Python object."""
SIZE_MAX = 1 << 32
"""Bytes a description may claim for one payload."""
_FIRST_SPAN = 1 << 20
"""Where ``find`` looks first: nearly every description is smaller."""
_MARK_SIZE = 1 + 4
_SUBSECTION_HEADER = 2 + 4
"""u8 0x05 and the length byte of the name, then the u32 version: not part of any ``size``."""


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


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """One entry of ``devices``; ``occurrence`` counts entries of the same name and instance, from 0."""

    name: str
    instance_id: int
    occurrence: int
    json: JsonObject

    @property
    def size(self) -> int:
        return payload_size(self.json)


class Description:
    """One vmdescription, parsed on first use: ``parse`` raises what is wrong with it."""

    __slots__ = ("_root", "_style", "_text")

    def __init__(self, text: bytes) -> None:
        self._text: bytes | None = text
        self._root: JsonObject | None = None
        self._style: Style | None = None

    @classmethod
    def of(cls, root: JsonObject, style: Style = Style.COMPACT) -> Description:
        """A description made from values."""
        made = cls(b"")
        made._text, made._root, made._style = None, root, style
        return made

    def parse(self) -> JsonObject:
        """The root object. Raises StreamError (offset within the text) if this is not such a JSON."""
        if self._root is None:
            assert self._text is not None
            root = _parse(self._text)
            style = Style.SPACED if self._text.startswith(b"{ ") else Style.COMPACT
            self._root = root
            self._style = style
            if _encode_text(render(root, style)) == self._text:
                self._text = None
        return self._root

    @property
    def root(self) -> JsonObject:
        return self.parse()

    @property
    def style(self) -> Style:
        self.parse()
        assert self._style is not None
        return self._style

    @property
    def verbatim(self) -> bool:
        """True when the values do not give these bytes again, so the text itself is kept."""
        try:
            self.parse()
        except StreamError:
            return True
        return self._text is not None

    @property
    def fault(self) -> StreamError | None:
        """Why the text cannot be parsed; QEMU skips it unread, so a stream with such a text still loads."""
        try:
            self.parse()
        except StreamError as error:
            return error
        return None

    @property
    def text(self) -> bytes:
        """The text as it came, as long as nobody has parsed it; else as ``encode`` gives it."""
        return self._text if self._text is not None else self.encode()

    def encode(self) -> bytes:
        """The text: from values unless ``verbatim``."""
        if not self.verbatim:
            assert self._root is not None
            assert self._style is not None
            return _encode_text(render(self._root, self._style))
        assert self._text is not None
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Description) and self.encode() == other.encode()

    def __hash__(self) -> int:
        return hash(self.encode())

    def __repr__(self) -> str:
        return f"Description({len(self.encode())} bytes)"

    @property
    def page_size(self) -> int | None:
        return _count(self.root, "page_size", None)

    @property
    def configuration(self) -> JsonObject | None:
        """Description of the configuration section; written by QEMU 10.0 and later, not by 7.2."""
        found = self.root.get("configuration")
        return found if isinstance(found, JsonObject) else None

    @property
    def devices(self) -> tuple[DeviceDescription, ...]:
        """FULL sections in stream order. Entries that name no section are left out."""
        seen: dict[tuple[str, int], int] = {}
        found = []
        for entry in _list(self.root, "devices"):
            name = entry.get("name") if isinstance(entry, JsonObject) else None
            instance = entry.get("instance_id") if isinstance(entry, JsonObject) else None
            if not isinstance(name, str) or type(instance) is not int:
                continue
            key = (name, instance & 0xFFFFFFFF)
            found.append(DeviceDescription(*key, seen.get(key, 0), entry))
            seen[key] = seen.get(key, 0) + 1
        return tuple(found)

    def lengths(self) -> dict[tuple[str, int], list[int]]:
        """For ``StreamReader(lengths=...)``: payload sizes per (idstr, instance_id), in stream order."""
        lengths: dict[tuple[str, int], list[int]] = {}
        for device in self.devices:
            lengths.setdefault((device.name, device.instance_id), []).append(device.size)
        return lengths


def _parse(text: bytes) -> JsonObject:
    if text.count(b",") + text.count(b"{") + text.count(b"[") > VALUES_MAX:
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
            children = node if isinstance(node, list) else [child for _, child in node.pairs]
            below += [child for child in children if isinstance(child, list | JsonObject)]
        if not below:
            return
        level = below
    raise _too_deep()


def _too_deep() -> StreamError:
    return StreamError("vmdescription is nested too deep", expected=f"at most {DEPTH_MAX}", code="limit")


def _encode_text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _count(owner: object, key: str, default: int | None) -> int | None:
    """A number that may size something, or None."""
    value = owner.get(key, default) if isinstance(owner, JsonObject) else None
    return value if type(value) is int and 0 <= value <= SIZE_MAX else None


def _list(owner: Mapping[str, Any], key: str) -> list[Any]:
    value = owner.get(key)
    return value if isinstance(value, list) else []


def payload_size(description: Mapping[str, Any]) -> int:
    """Bytes of the payload that a device (or subsection) object describes.

    Each field is ``size`` bytes per element; a field's size already holds its own subsections, but the
    0x05, name and version of a subsection are in no size at all.
    """
    total = 0
    for field in _list(description, "fields"):
        size, elements = _count(field, "size", None), _count(field, "array_len", 1)
        if size is None or elements is None:
            raise StreamError("vmdescription field has no usable size", field=str(description.get("name")))
        total += size * elements
    for subsection in _list(description, "subsections"):
        name = subsection.get("vmsd_name") if isinstance(subsection, JsonObject) else None
        if not isinstance(name, str):
            raise StreamError("vmdescription subsection has no name", field=str(description.get("name")))
        total += _SUBSECTION_HEADER + len(name.encode("utf-8", "surrogatepass")) + payload_size(subsection)
    if total > SIZE_MAX:
        raise StreamError("vmdescription claims too much", expected=f"at most {SIZE_MAX}", got=total)
    return total


def find(data: Buffer, limit: int = DEFAULT_LIMITS.vmdescription) -> tuple[int, int] | None:
    """(offset, length) of the text in a seekable buffer whose last byte is the text's last byte.

    Searches backwards for an EOF byte, 0x06, a length that reaches exactly the end, and an opening brace.
    The text itself holds no byte 0x06, so the first one found is the mark or one of the length bytes.
    """
    end = len(data)
    for span in (_FIRST_SPAN, limit + _MARK_SIZE + 1):
        floor = max(0, end - span)
        tail = bytes(data[floor:end])
        position = len(tail)
        for _ in range(_MARK_SIZE):
            position = tail.rfind(b"\x06", 1, position)
            if position < 0:
                break
            length = int.from_bytes(tail[position + 1 : position + _MARK_SIZE], "big")
            text = position + _MARK_SIZE
            if text + length == len(tail) and tail[position - 1] == 0 and tail[text : text + 1] == b"{":
                return floor + text, length
        else:
            return None
    return None


def encode_section(text: bytes) -> bytes:
    """The whole 0x06 section around a text."""
    return bytes((framing.VMDESCRIPTION,)) + be(len(text), 4, "vmdescription length") + text
