"""Fields of a section as JSON, an object on a line for each: a stream has a hundred thousand of them.

Knows fields and their names; the general encoder would take twice as long as all else that is done for a field. Most
stand in arrays of plain structures: those are written element by element, by one template.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from vnetmig.report.fields import Leaf
from vnetmig.report.json import Json, Text, Texts, value_json
from vnetmig.report.naming import may_have_names, names
from vnetmig.vmstate.fields import Rows
from vnetmig.vmstate.rows import Cell

ELEMENTS_AT_ONCE = 1024


def fields_json(device: str, fields: Iterable[Leaf | Rows]) -> Iterator[Json]:
    """``names`` is there where bits or special values have names."""
    for found in fields:
        if type(found) is not Rows:
            yield _field(device, found)  # type: ignore[arg-type]
        elif any(may_have_names(device, found.path + cell.name) for cell in found.row.cells):
            yield from (_field(device, leaf) for leaf in found.leaves())
        else:
            yield from _rows(found)


def _field(device: str, leaf: Leaf) -> Text:
    path, (value, offset, size, type_name) = leaf
    text = str(value) if type(value) is int else dumps(value_json(value))
    meaning = names(device, path, value) if device else ()
    more = f', "names": {dumps(meaning)}' if meaning else ""
    return Text(
        f'{{"path": {quoted(path)}, "offset": {offset}, "size": {size}, '
        f'"type": {quoted(type_name)}, "value": {text}{more}}}'
    )


def _rows(rows: Rows) -> Iterator[Texts]:
    row, stride, template = rows.row, rows.stride, _template(rows)
    for first in range(0, rows.elements, ELEMENTS_AT_ONCE):
        count = min(ELEMENTS_AT_ONCE, rows.elements - first)
        indices, at = range(first, first + count), rows.at + first * stride
        values = map(row.values.unpack_from, repeat(rows.data), range(at, at + count * stride, stride))
        columns: list[Iterable[Any]] = []
        for cell, column in zip(row.cells, zip(*values, strict=True), strict=True):
            wire = rows.offset + first * row.size + cell.offset
            columns += indices, range(wire, wire + count * row.size, row.size), _texts(cell, column)
        yield Texts("\n".join(map(template.__mod__, zip(*columns, strict=True))))


def _template(rows: Rows) -> str:
    """An element's leaves, to be filled with index, offset and value of each."""
    path = _inside(quoted(rows.path))
    return "\n".join(
        f'{{"path": "{path}[%d]{_inside(quoted(cell.name))}", "offset": %d, "size": {cell.size}, '
        f'"type": "{_inside(quoted(cell.type))}", "value": %s}}'
        for cell in rows.row.cells
    )


def _inside(text: str) -> str:
    """JSON text without its quotation marks, in a template."""
    return text[1:-1].replace("%", "%%")


def _texts(cell: Cell, column: tuple[Any, ...]) -> Iterable[Any]:
    """The values as they read in JSON."""
    if cell.truth:
        return ("true" if value == 1 else value or "false" for value in column)
    if isinstance(column[0], bytes):
        return (f'"{value.hex()}"' for value in column)
    return column
