"""A stream's own description of a device (the vmdesc JSON) as a description of ours.

Knows the JSON's keys and the quirks of each QEMU version in writing them; knows no device. The result compiles to
the same programs as a hand-written description. Everything is "as seen": counts, conditions and list lengths are those
of the one stream it came with. Source: qemu: migration/vmstate.c:vmsd_desc_field_start, vmsd_desc_field_end.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Protocol

from vnetmig.errors import StreamError
from vnetmig.vmstate.description import Field, Item, Overlay, Struct, Vmsd
from vnetmig.vmstate.types import BUFFER, BY_NAME, NULLPTR, UINT8, UINT32, UINT64

NESTING_MAX = 64
"""Structs in structs; real devices nest under ten deep."""

VERSION_MAX = (1 << 32) - 1
"""A version is a u32 on the wire."""

RUN_MAX = 1024
"""Elements of a later run of an array that get a path each of their own; arrays of pointers are far smaller."""

_WORDS = {"pci irq state": UINT32}
_GROUP = ("vmsd_name", "version", "fields", "subsections")
_INLINE = ("tmp", "vstruct")
_CHAINS = ("qtailq", "qlist")
_NULLS = ("nullptr", "ptr-marker")


class Json(Protocol):
    """A JSON object that kept its pairs: lists repeat their keys once per element."""

    pairs: list[tuple[str, Any]]

    def get(self, key: str, default: Any, /) -> Any: ...


def describe(device: Json, overlays: Mapping[str, Overlay] | None = None) -> Vmsd:
    """The description of one entry of ``devices``. StreamError when the JSON is not what QEMU writes.

    ``overlays``: VMStateInfo name (such as "pci config") -> overlay for buffers of that type.
    """
    reader = _Reader(overlays or {})
    name = _text(device, "vmsd_name", _text(device, "name", "device"))
    return reader.vmsd(name, device.pairs, 0)


def _bad(what: str) -> StreamError:
    return StreamError(f"the vmdescription {what}", code="vmdesc")


def _text(node: Json, key: str, default: str) -> str:
    value = node.get(key, default)
    if not isinstance(value, str):
        return default
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _bad(f"gives {value!r} as '{key}': no text")
    return value


def _number(node: Json, key: str, default: int | None = None) -> int:
    value = node.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _bad(f"gives {value!r} as '{key}' of '{_text(node, 'name', '?')}'")
    return value


class _Reader:
    def __init__(self, overlays: Mapping[str, Overlay]) -> None:
        self.overlays = overlays

    def vmsd(self, name: str, pairs: list[tuple[str, Any]], depth: int) -> Vmsd:
        if depth > NESTING_MAX:
            raise _bad(f"nests deeper than {NESTING_MAX}")
        keys = dict(pairs)
        version = keys.get("version", 0)
        fields, subsections = keys.get("fields", []), keys.get("subsections", [])
        if not isinstance(fields, list) or not isinstance(subsections, list):
            raise _bad(f"of '{name}' has no list of fields")
        if not isinstance(version, int) or not 0 <= version <= VERSION_MAX:
            raise _bad(f"gives {version!r} as the version of '{name}'")
        items = self.fields(fields, depth)
        subs: dict[str, Vmsd] = {}
        for sub in subsections:
            sub_name = _text(sub, "vmsd_name", "") if hasattr(sub, "pairs") else ""
            if not sub_name.startswith(name) or len(sub_name.encode()) > 255:
                raise _bad(f"of '{name}' has a subsection called '{sub_name}'")
            subs.setdefault(sub_name, self.vmsd(sub_name, sub.pairs, depth + 1))
        return Vmsd(name, version, items, tuple(subs.values()))

    def fields(self, fields: list[Any], depth: int) -> tuple[Item, ...]:
        if any(not hasattr(node, "pairs") for node in fields):
            raise _bad("has a field that is no object")
        names = [_text(node, "name", "field") for node in fields]
        places: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            places.setdefault(name, []).append(place)
        lengths = _run_lengths(places, fields)
        seen: dict[str, int] = {}
        items: list[Item] = []
        for node, name, length in zip(fields, names, lengths, strict=True):
            # 10.x writes no index for the last element of an array, 11.1 for none: count them.
            index = _number(node, "index", seen.get(name, 0))
            alone = length is not None and index == 0
            seen[name] = index + (1 if length is None else length)
            if not alone and (len(places[name]) > 1 or "index" in node):
                path = f"{name}[{index}]"
            else:
                path = name
            if path == name:
                path = _apart(name, places)
            elif length is not None and length <= RUN_MAX:  # a later run of an array: its elements go on counting
                items += filter(None, (self.item(node, f"{name}[{index + i}]", None, depth) for i in range(length)))
                continue
            item = self.item(node, path, length, depth)
            if item is not None:
                items.append(item)
        return tuple(items)

    def item(self, node: Json, name: str, count: int | None, depth: int) -> Item | None:
        kind, size = _text(node, "type", "unknown"), _number(node, "size")
        body = node.get("struct", None)
        if kind == "struct" and hasattr(body, "pairs"):
            if not body.pairs and size == 1:  # a null pointer, up to 7.2
                return Field(name, NULLPTR, count)
            inner = self.vmsd(_text(body, "vmsd_name", name), body.pairs, depth + 1)
            if count is not None and wire_size(inner) == 0:
                return None  # no bytes, however many: never a loop over them
            return Struct(name, inner, count)
        groups = _groups(node.pairs)
        if kind in _INLINE and groups:
            return Struct(name, self.vmsd(name, groups[0], depth + 1), count)
        if kind in _CHAINS:
            return Struct(name, self.chain(name, groups, depth))
        if kind == "gtree":
            return Struct(name, self.tree(name, groups, size, depth))
        return self.value(name, kind, size, count)

    def value(self, name: str, kind: str, size: int, count: int | None) -> Item | None:
        known = BY_NAME.get(kind)
        if known is not None and known.form != "bytes" and known.size == size and kind != "bitmap":
            return Field(name, known, count)
        if size == 0:
            return None
        words = UINT64 if kind == "bitmap" else _WORDS.get(kind)
        if words is not None and size % words.size == 0 and count is None:
            return Field(name, words, size // words.size)
        buffer = Field("data" if count is not None else name, BUFFER, size, overlay=self.overlays.get(kind))
        return buffer if count is None else Struct(name, Vmsd(name, 0, (buffer,)), count)

    def chain(self, name: str, groups: list[list[tuple[str, Any]]], depth: int) -> Vmsd:
        """QTAILQ, QLIST: a marker before each element, a zero at the end; the number is that of the groups."""
        items: list[Item] = []
        for index, group in enumerate(groups):
            items.append(Field(f"marker[{index}]", UINT8))
            items.append(Struct(f"element[{index}]", self.vmsd(_group_name(group), group, depth + 1)))
        return Vmsd(name, 0, (*items, Field("end", UINT8)))

    def tree(self, name: str, groups: list[list[tuple[str, Any]]], size: int, depth: int) -> Vmsd:
        """A gtree: u32 nodes, then marker, key, value each, then a zero. Direct keys have no group."""
        bodies = [self.vmsd(_group_name(group), group, depth + 1) for group in groups]
        values = sum(wire_size(body) for body in bodies)
        direct = size == 4 + values + 9 * len(bodies) + 1
        items: list[Item] = [Field("nnodes", UINT32)]
        step = 1 if direct else 2
        for index in range(len(bodies) // step):
            items.append(Field(f"marker[{index}]", UINT8))
            if direct:
                items.append(Field(f"key[{index}]", UINT64))
            else:
                items.append(Struct(f"key[{index}]", bodies[step * index]))
            items.append(Struct(f"value[{index}]", bodies[step * index + step - 1]))
        return Vmsd(name, 0, (*items, Field("end", UINT8)))


def _apart(name: str, names: Container[str]) -> str:
    """A static name such as `channels[0].irq` beside an array `channels`: written so that paths stay unique."""
    for place, letter in enumerate(name):
        if letter in "[." and name[:place] in names:
            return name[:place] + name[place:].replace("[", "_").replace("]", "").replace(".", "_")
    return name


def _run_lengths(places: Mapping[str, list[int]], fields: list[Any]) -> list[int | None]:
    """``array_len`` of each field. Where an array of pointers starts with objects and nulls follow, 10.0 and later
    give the first run the length of the whole array: what the later runs hold is taken off."""
    lengths = [_number(node, "array_len") if node.get("array_len", None) is not None else None for node in fields]
    for first, *later in places.values():
        length = lengths[first]
        if length is None or _text(fields[first], "type", "") in _NULLS:
            continue
        if any(_text(fields[i], "type", "") in _NULLS for i in later):
            rest = sum(n if (n := lengths[i]) is not None else 1 for i in later)
            lengths[first] = max(length - rest, 0)
    return lengths


def _groups(pairs: list[tuple[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Descriptions dropped straight into a field object, one after the other: each begins with vmsd_name."""
    groups: list[list[tuple[str, Any]]] = []
    for key, value in pairs:
        if key == "vmsd_name":
            groups.append([])
        if groups and key in _GROUP:
            groups[-1].append((key, value))
    return groups


def _group_name(group: list[tuple[str, Any]]) -> str:
    name = group[0][1]
    return name if isinstance(name, str) else "element"


def wire_size(vmsd: Vmsd) -> int:
    """Payload bytes of a description whose counts are all constant."""
    total = 0
    for item in vmsd.fields:
        if isinstance(item, Struct):
            total += wire_size(item.body) * (item.count if isinstance(item.count, int) else 1)
        elif isinstance(item, Field):
            total += item.type.size * (item.count if isinstance(item.count, int) else 1)
    for sub in vmsd.subsections:
        total += 6 + len(sub.name.encode()) + wire_size(sub)
    return total
