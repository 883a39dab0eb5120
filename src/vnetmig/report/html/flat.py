"""A model as the data of a page: a table with one row per node, texts beside it, each once and harmless.

Knows the model and what model.js expects; decides nothing.
"""

from __future__ import annotations

from array import array

from vnetmig.report.blocks import Block, Facts, Note
from vnetmig.report.escape import safe
from vnetmig.report.html.columns import Column
from vnetmig.report.html.data import Model
from vnetmig.report.html.tree import Kind
from vnetmig.report.json import Json


class Strings:
    """Each text once, harmless, and its number; the empty one is 0."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self.texts: list[str] = [""]

    def number(self, text: str) -> int:
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self.texts)
            self.texts.append(safe(text))
        return found


def flatten(model: Model) -> tuple[dict[str, Json], dict[str, Column]]:
    """(JSON, columns) of a model: one row per node, parents in front of their children.

    Offsets are not among the columns: they are the sums of the leaves' sizes.
    """
    strings = Strings()
    level, kind = array("B"), array("B")
    name, type_, value, names = array("I"), array("I"), array("I"), array("I")
    size = array("d")
    pieces: list[memoryview] = []
    numbers: dict[int, int] = {}
    blocks: dict[str, Json] = {}
    for row, (depth, node) in enumerate(model.root.walk()):
        numbers[id(node)] = row
        level.append(depth)
        kind.append(node.kind)
        name.append(strings.number(node.name))
        type_.append(strings.number(node.type))
        value.append(strings.number(node.value))
        names.append(strings.number(node.names))
        size.append(node.size)
        if node.kind != Kind.ELIDED:
            pieces.append(model.data[node.offset : node.offset + node.size])
        if node.blocks:
            blocks[str(row)] = [block_json(block) for block in node.blocks]
    head: dict[str, Json] = {
        "kinds": [kind.name.lower() for kind in Kind],
        "strings": list(strings.texts),
        "blocks": blocks,
        "findings": [
            {"severity": found.severity, "text": _lines(found.text), "node": numbers[id(found.node)]}
            for found in model.findings
        ],
        "start": numbers[id(model.start)],
    }
    columns: dict[str, Column] = {
        "level": level,
        "kind": kind,
        "name": name,
        "type": type_,
        "value": value,
        "names": names,
        "size": size,
        "bytes": b"".join(pieces),
    }
    return head, columns


def block_json(block: Block) -> dict[str, Json]:
    """A block for page.js, in harmless text."""
    if isinstance(block, Facts):
        return {"title": safe(block.title), "facts": [[safe(name), safe(value)] for name, value in block.pairs]}
    if isinstance(block, Note):
        return {"note": _lines(block.text)}
    return {
        "title": safe(block.title),
        "columns": [{"name": column.name, "right": column.right} for column in block.columns],
        "rows": [[safe(cell) for cell in row] for row in block.rows],
        "notes": [safe(note) for note in block.notes],
    }


def _lines(text: str) -> str:
    return "\n".join(map(safe, text.split("\n")))
