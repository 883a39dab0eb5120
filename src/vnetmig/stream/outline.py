"""What reading a stream needs of its vmdescription: which sections there are, how long each is, the page size.

Knows the few keys that give names and sizes. Must not know what a field means, nor how a text is written again
(vmdescription). An outline is read from the text in one pass, without keeping what it steps over: a device's own JSON
stays text until someone looks into it. It is made of a text that QEMU would write and of no other: what is wrong with
a text, or unusual in it, is for the careful parser to say (vmdesc_json), and ``outline`` answers None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any

from vnetmig.errors import StreamError
from vnetmig.stream.kept import Kept
from vnetmig.stream.vmdesc_json import DEPTH_MAX, JsonObject, parse, too_many_values

SIZE_MAX = 1 << 32
"""Bytes a description may claim for one payload."""
KEPT = 64
KEPT_BYTES = 32 << 20
"""Outlines that are kept, and bytes of their texts: a fleet of guests has few kinds of machines, so nearly every stream
ends with a text that was seen before."""
_SUBSECTION_HEADER = 2 + 4
"""u8 0x05 and the length byte of the name, then the u32 version: not part of any ``size``."""

_scan = JSONDecoder(strict=False).raw_decode
# QEMU writes a device's version in front of its fields, which have versions of their own.
_version = re.compile(
    rb'\A\{ ?(?:"(?:name|vmsd_name)" ?: "[^"]*", |"instance_id" ?: \d+, )*"version" ?: (\d{1,10})\b'
).match
_blank = re.compile(r"[ \t\n\r]*").match
_BRACKETS = bytes.maketrans(b"[]", b"{}")
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """One entry of ``devices``; ``occurrence`` counts entries of the same name and instance, from 0."""

    name: str
    instance_id: int
    occurrence: int
    source: JsonObject | bytes
    """The entry, or its text."""

    @property
    def json(self) -> JsonObject:
        """The entry with all its pairs, duplicates included."""
        return self.source if isinstance(self.source, JsonObject) else parse(self.source)

    @property
    def version(self) -> int | None:
        """The section's version_id; None where the entry has none (handlers of the old style)."""
        if isinstance(self.source, bytes):
            found = _version(self.source)
            return None if found is None else int(found[1])
        version = self.source.get("version")
        return version if isinstance(version, int) else None

    @property
    def size(self) -> int:
        """Payload bytes. StreamError when they cannot be told."""
        return payload_size(self.json)


@dataclass(frozen=True, slots=True)
class Outline:
    """Of one text; shared by all streams that end with it."""

    page_size: int | None
    has_configuration: bool
    devices: tuple[DeviceDescription, ...]
    lengths: Mapping[tuple[str, int], Sequence[int]]
    """Payload sizes per (idstr, instance_id), in stream order."""
    by_key: Mapping[tuple[str, int, int], DeviceDescription]
    """The devices by idstr, instance_id and occurrence."""
    versions: Mapping[tuple[str, int, int], int | None]
    """Their version_ids."""

    @classmethod
    def of(cls, root: Mapping[str, object], found: Sequence[tuple[DeviceDescription, Mapping[str, Any]]]) -> Outline:
        """StreamError when a payload's size cannot be told."""
        by_key = {(one.name, one.instance_id, one.occurrence): one for one, _ in found}
        versions = {key: one.version for key, one in by_key.items()}
        page_size, is_there = number(root.get("page_size")), is_object(root.get("configuration"))
        return cls(page_size, is_there, tuple(one for one, _ in found), lengths(found), by_key, versions)


def is_object(node: object) -> bool:
    return type(node) is dict or type(node) is JsonObject


def number(value: object) -> int | None:
    """A number that may size something, or None."""
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
        size, elements = None, None
        if is_object(field):
            size, elements = number(field.get("size")), number(field.get("array_len", 1))
        if size is None or elements is None:
            raise StreamError("vmdescription field has no usable size", field=str(description.get("name")))
        total += size * elements
    for subsection in _list(description, "subsections"):
        name = subsection.get("vmsd_name") if is_object(subsection) else None
        if not isinstance(name, str):
            raise StreamError("vmdescription subsection has no name", field=str(description.get("name")))
        total += _SUBSECTION_HEADER + len(name.encode("utf-8", "surrogatepass")) + payload_size(subsection)
    if total > SIZE_MAX:
        raise StreamError("vmdescription claims too much", expected=f"at most {SIZE_MAX}", got=total)
    return total


Entry = tuple[Mapping[str, Any], "JsonObject | bytes"]
"""An element of ``devices``, and what is kept of it."""


def named(entries: Iterable[Entry]) -> Iterator[tuple[DeviceDescription, Mapping[str, Any]]]:
    """Each of ``entries`` that names a section, described."""
    seen: dict[tuple[str, int], int] = {}
    for entry, source in entries:
        name, instance = (entry.get("name"), entry.get("instance_id")) if is_object(entry) else (None, None)
        if isinstance(name, str) and type(instance) is int:
            key = (name, instance & 0xFFFFFFFF)
            occurrence = seen.get(key, 0)
            seen[key] = occurrence + 1
            yield DeviceDescription(*key, occurrence, source), entry


def lengths(found: Iterable[tuple[DeviceDescription, Mapping[str, Any]]]) -> dict[tuple[str, int], list[int]]:
    """Payload sizes per (idstr, instance_id), in stream order. StreamError when one cannot be told."""
    sizes: dict[tuple[str, int], list[int]] = {}
    for device, entry in found:
        sizes.setdefault((device.name, device.instance_id), []).append(payload_size(entry))
    return sizes


def _read(text: bytes) -> Outline | None:
    if not text.isascii() or b"\\" in text or too_many_values(text) or not _shallow(text):
        return None
    try:
        root, entries = _members(_Place(text.decode("ascii")))
        found = list(named(entries))
        return Outline.of(root, found)
    except (ValueError, RecursionError, StreamError):
        return None


outline = Kept(_read, entries=KEPT, size=KEPT_BYTES)
"""``outline(text)``: the outline of a vmdescription, or None."""


def _members(place: _Place) -> tuple[dict[str, object], list[Entry]]:
    """(the root object without ``devices``, elements of those); of keys that come twice, the last one's."""
    root: dict[str, object] = {}
    entries: list[Entry] = []
    for _ in place.items("{", "}"):
        key = place.value()
        if not isinstance(key, str):
            raise ValueError("a key is no string")
        place.sign(":")
        if key == "devices":
            entries = []
            if place.next() == "[":
                entries = [place.entry() for _ in place.items("[", "]")]
                continue
        root[key] = place.value()
    if place.next():
        raise ValueError("something follows")
    return root, entries


class _Place:
    """A place in JSON text. ValueError where the text is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def next(self) -> str:
        """The next character that is not blank, not taken; "" at the end."""
        self.at = _blank(self.text, self.at).end()  # type: ignore[union-attr]
        return self.text[self.at : self.at + 1]

    def sign(self, allowed: str) -> str:
        found = self.next()
        if not found or found not in allowed:
            raise ValueError(f"'{found}' is not one of {allowed}")
        self.at += 1
        return found

    def items(self, opening: str, closing: str) -> Iterator[None]:
        """Once at the start of each item, which is taken meanwhile."""
        self.sign(opening)
        if self.next() == closing:
            self.sign(closing)
            return
        while True:
            yield
            if self.sign("," + closing) == closing:
                return

    def value(self) -> Any:
        self.next()
        value, self.at = _scan(self.text, self.at)
        return value

    def entry(self) -> Entry:
        self.next()
        start = self.at
        return self.value(), self.text[start : self.at].encode("ascii")


def _shallow(text: bytes) -> bool:
    """Is nothing nested deeper than DEPTH_MAX? For JSON without a backslash."""
    # Two quotes in a row change nothing about which brackets stand in a string; few others are left then.
    signs = text.translate(_BRACKETS, _NO_STRUCTURE).replace(b'""', b"")
    brackets = b"".join(signs.split(b'"')[::2])
    for _ in range(DEPTH_MAX):  # each turn takes the innermost pairs away
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"")
    return not brackets
