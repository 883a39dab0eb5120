"""What differs between two streams, as text and as JSON.

Knows a Difference and how people like to read it: bits by name, members of sets, churn in one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from vnetmig.analysis.diff import Difference, FirstDifference
from vnetmig.analysis.first_difference import Place
from vnetmig.analysis.section_difference import FieldDifference, SectionDifference, SetDifference
from vnetmig.report.blocks import Block, Facts, Note, Table, columns, listed
from vnetmig.report.device_text import value_text
from vnetmig.report.json import Json, value_json
from vnetmig.report.naming import names
from vnetmig.vmstate.fields import Field

_COLUMNS = columns(">offset a", ">offset b", "field", "a", "b")
_ITEMS = columns("", "a", "b")
_NO_OFFSET = ""
_NUMBER = "section_id"
_ABSENT = "-"

_IN_SETS = {"mac_table.unicast": "mac_table.", "mac_table.multicast": "mac_table.", "vlans": "vlans["}
"""Sets, and the fields that their members stand in: in text the set says it."""


def diff_blocks(found: Difference, *, churn: bool = False) -> Iterator[Block]:
    """``churn``: show it field by field too."""
    if found.identical:
        yield Note("identical")
        return
    if found.items:
        table = Table("stream", _ITEMS)
        table.rows = [(item.name, item.a, item.b) for item in found.items]
        yield table
    yield from _sections_of_one_side(found)
    for section in found.sections:
        yield from _section_blocks(section, churn=churn)
    if found.ram is not None and not found.ram.identical:
        yield _ram(found)
    yield Note("")
    if found.first is not None:
        yield from _first_lines(found.first)
    moved = [field for section in found.sections for field in section.churn]
    if moved and not churn:
        kinds = Counter(field.churn for field in moved)
        words = ", ".join(f"{count} {why}" for why, count in kinds.most_common())
        yield Note(f"churn: {len(moved)} fields that time alone changes ({words}); --churn shows them")
    numbered = sum(any(one.name == _NUMBER for one in section.header) for section in found.sections)
    if numbered:
        yield Note(f"{numbered} sections have another section id: a number inside the stream, no loader compares it")
    counted = sum(len(section.differences) for section in found.sections)
    yield Note("nothing else differs" if found.equal else f"fields that differ: {counted}")


def _sections_of_one_side(found: Difference) -> Iterator[Block]:
    for side, sections in (("a", found.only_a), ("b", found.only_b)):
        if sections:
            table = Table(f"sections only in {side}", columns("idstr", ">instance", "type"))
            table.rows = [(idstr, str(instance), kind) for idstr, instance, kind in sections]
            yield table
    if found.order:
        yield Note(f"sections in another order: {listed(found.order)}")


def _section_blocks(section: SectionDifference, *, churn: bool) -> Iterator[Block]:
    if section.equal and not churn:
        return
    title = section.idstr + (f"#{section.instance_id}" if section.instance_id else "")
    facts = Facts(title)
    facts.pairs = [(one.name, f"{one.a} in a, {one.b} in b") for one in section.header if one.name != _NUMBER]
    facts.pairs += [(difference.name, _set_text(difference)) for difference in section.sets]
    left = section.bytes
    if left is not None:
        where = f"from {left.offset_a + left.first:#x} in a, {left.offset_b + left.first:#x} in b"
        facts.pairs.append(("bytes", f"{left.size_a} in a, {left.size_b} in b; they differ {where}"))
    shown = [f for f in (section.fields if churn else section.differences) if not _said(section, f)]
    if facts.pairs:
        yield facts
    if shown:
        table = Table("" if facts.pairs else title, _COLUMNS)
        table.rows = [_row(section.device, field) for field in shown]
        yield table


def _set_text(difference: SetDifference) -> str:
    if difference.order:
        return "the same, in another order"
    sides = (("a", difference.only_a), ("b", difference.only_b))
    return "; ".join(f"only in {side}: {listed(members, 40)}" for side, members in sides if members)


def _said(section: SectionDifference, field: FieldDifference) -> bool:
    """Does one of the sets say it already?"""
    for difference in section.sets:
        if difference.name == "subsections":
            gone = (*difference.only_a, *difference.only_b)
            if field.path.startswith(tuple(f"{name}." for name in gone)):
                return True
        elif field.path.startswith(_IN_SETS.get(difference.name, "#")) and "overflow" not in field.path:
            return True
    return False


def _row(device: str, difference: FieldDifference) -> tuple[str, ...]:
    a, b = difference.a, difference.b
    only_a, only_b = _bits(device, difference)
    texts = [
        _text(device, difference.path, field) + (f"  only here: {' '.join(only)}" if only else "")
        for field, only in ((a, only_a), (b, only_b))
    ]
    path = difference.path + (f"  ({difference.churn})" if difference.churn else "")
    return _offset(a), _offset(b), path, *texts


def _text(device: str, path: str, field: Field | None) -> str:
    """A value; one whose bits have names in hexadecimal."""
    if field is None:
        return _ABSENT
    if isinstance(field.value, int) and field.value > 9 and names(device, path, field.value):
        return f"{field.value:#x}"
    return value_text(path, field)


def _offset(field: Field | None) -> str:
    return _NO_OFFSET if field is None else f"{field.offset:#x}"


def _bits(device: str, difference: FieldDifference) -> tuple[list[str], list[str]]:
    """Bits, by name, that are set on one side only."""
    sides = [
        names(device, difference.path, field.value) if device and field is not None else ()
        for field in (difference.a, difference.b)
    ]
    return [n for n in sides[0] if n not in sides[1]], [n for n in sides[1] if n not in sides[0]]


def _ram(found: Difference) -> Block:
    ram = found.ram
    assert ram is not None
    facts = Facts("RAM")
    if ram.unknown is not None:
        facts.pairs.append(("pages", f"not compared: {ram.unknown}"))
    else:
        parts = [f"{ram.differ} of {ram.pages} pages differ"]
        parts += [f"{count} only in {side}" for side, count in (("a", ram.only_a), ("b", ram.only_b)) if count]
        facts.pairs.append(("pages", "; ".join(parts)))
    facts.pairs += [(f"block {name}", f"{a} bytes in a, {b} in b") for name, a, b in ram.blocks]
    return facts


def _first_lines(first: FirstDifference) -> Iterator[Block]:
    yield Note(f"first byte that differs: {first.offset:#x} ({first.offset})")
    for side, place, data in (("a", first.a, first.bytes_a), ("b", first.b, first.bytes_b)):
        yield Note(f"  {side}  {data.hex(' ') or 'ends here'}  {_place(place)}")


def _place(place: Place) -> str:
    return ", ".join(part for part in (place.section, place.field) if part) or "behind the end"


def diff_json(found: Difference) -> dict[str, Json]:
    """Everything, churn included: each of its fields says why it moves."""
    ram = found.ram
    first = found.first
    return {
        "identical": found.identical,
        "equal": found.equal,
        "stream": [{"name": item.name, "a": item.a, "b": item.b} for item in found.items],
        "only_a": [_section_name(*one) for one in found.only_a],
        "only_b": [_section_name(*one) for one in found.only_b],
        "order": list(found.order),
        "sections": [_section_json(section) for section in found.sections],
        "ram": None
        if ram is None
        else {
            "pages": ram.pages,
            "differ": ram.differ,
            "only_a": ram.only_a,
            "only_b": ram.only_b,
            "blocks": [{"name": name, "a": a, "b": b} for name, a, b in ram.blocks],
            "unknown": ram.unknown,
        },
        "first": None
        if first is None
        else {
            "offset": first.offset,
            "a": _place_json(first.a, first.bytes_a),
            "b": _place_json(first.b, first.bytes_b),
        },
    }


def _section_name(idstr: str, instance_id: int, kind: str) -> Json:
    return {"idstr": idstr, "instance_id": instance_id, "type": kind}


def _place_json(place: Place, data: bytes) -> Json:
    return {"section": place.section, "field": place.field, "bytes": data.hex()}


def _section_json(section: SectionDifference) -> dict[str, Json]:
    left = section.bytes
    return {
        "idstr": section.idstr,
        "instance_id": section.instance_id,
        "type": section.type,
        "equal": section.equal,
        "header": [{"name": one.name, "a": one.a, "b": one.b} for one in section.header],
        "sets": [
            {"name": one.name, "only_a": list(one.only_a), "only_b": list(one.only_b), "order": one.order}
            for one in section.sets
        ],
        "fields": list(_fields_json(section.device, section.fields)),
        "bytes": None
        if left is None
        else {
            "a": {"offset": left.offset_a, "size": left.size_a},
            "b": {"offset": left.offset_b, "size": left.size_b},
            "first": left.first,
        },
    }


def _fields_json(device: str, fields: Iterable[FieldDifference]) -> Iterator[Json]:
    for difference in fields:
        made: dict[str, Json] = {"path": difference.path}
        made["a"], made["b"] = _field_json(difference.a), _field_json(difference.b)
        only_a, only_b = _bits(device, difference)
        if only_a or only_b:
            made["only_a"], made["only_b"] = list(only_a), list(only_b)
        if difference.churn is not None:
            made["churn"] = difference.churn
        yield made


def _field_json(field: Field | None) -> Json:
    return None if field is None else {"offset": field.offset, "size": field.size, "value": value_json(field.value)}
