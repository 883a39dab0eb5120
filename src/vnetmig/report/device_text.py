"""One device's fields as text: what `inspect STREAM DEVICE` prints.

Knows fields and how people like to read them: bits by name, addresses in hexadecimal, long runs of zero elements as
one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.report.blocks import Block, Facts, Table, columns
from vnetmig.report.fields import Leaf, coverage, device_name, partial_fields, section_fields
from vnetmig.report.naming import Names, names
from vnetmig.report.rings import ring_states, rings_table
from vnetmig.report.sections import described_by
from vnetmig.vmstate.fields import Field
from vnetmig.vmstate.value import Value

RUN = 4
"""Fewer zero elements than this stay as they are."""
BYTES_SHOWN = 32
"""Of a buffer without parts."""

_ELEMENT = re.compile(r"([^\[]*)\[(\d+)\]")
_HEX = ("desc", "avail", "used", "offset", "gpa")
_COLUMNS = columns(">offset", ">size", "type", "path", "value")


def device_blocks(stream: Stream, section: Section, *, everything: bool = False) -> Iterator[Block]:
    """The section, how it was read, its fields, its rings. ``everything``: zero arrays element by element."""
    yield section_facts(section)
    yield fields_table("fields", device_name(section), section_fields(section), everything=everything)
    states = ring_states(stream, section)
    if states:
        yield rings_table(stream, states)


def partial_blocks(stream: Stream, *, everything: bool = False) -> Iterator[Block]:
    """What was decoded of the section that reading stopped in."""
    error = stream.error
    record = error.record if error is not None else None
    if record is None or stream.failed is None:
        return
    title = f"decoded of '{stream.failed.idstr}' before the fault"
    yield fields_table(title, record.program.vmsd.name, partial_fields(stream), everything=everything)


def section_facts(section: Section) -> Facts:
    """Where a section is, how it was read, and what that took for granted."""
    begin, end = section.payload_span
    facts = Facts(section.idstr)
    facts.pairs = [
        ("section", f"{section.type}, id {section.section_id}, instance {section.instance_id}"),
        ("version", str(section.version_id)),
        ("payload", f"{begin:#x} to {end:#x}, {end - begin} bytes"),
        ("described by", described_by(section)),
    ]
    state = section.state
    if state is not None:
        params = ", ".join(f"{name} {value}" for name, value in state.record.program.params.items())
        facts.pairs.append(("parameters", params))
        facts.pairs.append(("assumed", "; ".join(state.assumed) or "nothing: the stream proves the layout"))
        facts.pairs += [("fits as well", "; ".join(tie)) for tie in state.ties]
    counted = coverage(section)
    facts.pairs.append(("named", f"{counted.named} of {counted.total} bytes, {counted.fields} fields"))
    return facts


def fields_table(title: str, device: str, leaves: Iterable[Leaf], *, everything: bool) -> Table:
    table = Table(title, _COLUMNS)
    elided = [0, 0]
    rows = _rows(device, leaves) if everything else _elided(device, leaves, elided)
    table.rows.extend(rows)
    if elided[0]:
        table.notes.append(
            f"{elided[1]} fields in {elided[0]} runs of zero elements are shown as one line each (--all)"
        )
    return table


Row = tuple[str, ...]


def _rows(device: str, leaves: Iterable[Leaf]) -> Iterator[Row]:
    for path, field in leaves:
        yield _row(device, path, field)


def _row(device: str, path: str, field: Field) -> Row:
    value, meaning = value_and_names(device, path, field)
    if meaning:
        value = f"{value}  {' '.join(meaning)}"
    return f"{field.offset:#x}", str(field.size), field.type, path, value


def value_and_names(device: str, path: str, field: Field) -> tuple[str, Names]:
    """A value as people read it, and what its bits are called. ``device``: as ``device_name`` says, or empty."""
    meaning = names(device, path, field.value) if device else ()
    if meaning and isinstance(field.value, int) and field.value > 9:
        return f"{field.value:#x}", meaning
    return value_text(path, field), meaning


def value_text(path: str, field: Field) -> str:
    """A value as people read it."""
    value = field.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        leaf = path.rpartition(".")[2].partition("[")[0]
        wide = field.type in ("le", "be", "uint64") or leaf in _HEX
        return f"{value:#x}" if wide and value > 9 else str(value)
    if isinstance(value, bytes | bytearray):
        return _bytes_text(bytes(value))
    return str(value)


def _bytes_text(value: bytes) -> str:
    if not any(value):
        return "all zero"
    shown = value[:BYTES_SHOWN].hex(" ", -4)
    return shown if len(value) <= BYTES_SHOWN else f"{shown} ... ({len(value)} bytes)"


def _elided(device: str, leaves: Iterable[Leaf], count: list[int]) -> Iterator[Row]:
    """Rows, with runs of zero elements of one array as one row. ``count`` is told (runs, fields) left out."""
    run: list[list[Leaf]] = []
    for element in _elements(leaves):
        if _array(element) is not None and all(not _set(field.value) for _, field in element):
            if run and _array(run[0]) != _array(element):
                yield from _flush(device, run, count)
                run = []
            run.append(element)
            continue
        yield from _flush(device, run, count)
        run = []
        yield from _rows(device, element)
    yield from _flush(device, run, count)


def _elements(leaves: Iterable[Leaf]) -> Iterator[list[Leaf]]:
    """Fields of one array element together; any other field by itself."""
    element: list[Leaf] = []
    key: tuple[str, str] | None = None
    for leaf in leaves:
        found = _ELEMENT.match(leaf[0])
        this = (found[1], found[2]) if found is not None else None
        if element and (this is None or this != key):
            yield element
            element = []
        element.append(leaf)
        key = this
    if element:
        yield element


def _array(element: list[Leaf]) -> str | None:
    found = _ELEMENT.match(element[0][0])
    return found[1] if found is not None else None


def _set(value: Value) -> bool:
    return any(value) if isinstance(value, bytes | bytearray) else value not in (0, "", "00:00:00:00:00:00")


def _flush(device: str, run: list[list[Leaf]], count: list[int]) -> Iterator[Row]:
    if len(run) < RUN:
        for element in run:
            yield from _rows(device, element)
        return
    first, last = run[0], run[-1]
    leaves = sum(map(len, run))
    begin = first[0][1].offset
    end = last[-1][1].offset + last[-1][1].size
    low, high = _ELEMENT.match(first[0][0]), _ELEMENT.match(last[0][0])
    numbers = f"{low[2]}..{high[2]}" if low is not None and high is not None else ""
    count[0] += 1
    count[1] += leaves
    path = f"{_array(first)}[{numbers}]"
    yield f"{begin:#x}", str(end - begin), "", path, f"{len(run)} elements, {leaves} fields, all zero"
