"""A matrix as text, as JSON and as CSV.

Knows how rows, columns and cells are called and laid out; what they say comes from the analysis layer.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vnetmig.analysis.matrix.cell import OUTCOMES, Cell, Found, Outcome
from vnetmig.analysis.matrix.matrix import Matrix
from vnetmig.analysis.matrix.place import Place
from vnetmig.report.blocks import Block, Column, Facts, Note, Table, listed
from vnetmig.report.check import finding_json
from vnetmig.report.escape import safe
from vnetmig.report.json import Json

SHORT: dict[Outcome, str] = {
    Outcome.WORKS: "works",
    Outcome.LOSES: "loss",
    Outcome.FAILS_BACK: "fails back",
    Outcome.BROKEN: "broken",
    Outcome.UNLESS: "unless",
    Outcome.REFUSED: "refused",
    Outcome.CRASHES: "crash",
    Outcome.HANGS: "hang",
}
"""A cell's words; the legend has the long ones."""

CSV_COLUMNS = (
    "source",
    "source qemu",
    "machine",
    "destination",
    "destination qemu",
    "verdict",
    "why",
    "hint",
)

_Group = tuple[tuple[str, ...], ...]
"""Pairs: names and releases of sources, names and releases of destinations, machine types."""

_JOINED = (4, 1, 3, 0, 2)
"""Machine types first, then releases, then names."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for more than text."""


@dataclass(slots=True)
class Reason:
    """One thing that is wrong, with all pairs that it is wrong of."""

    outcome: Outcome
    found: Found
    cells: list[Cell] = field(default_factory=list)


def symbol(outcome: Outcome) -> str:
    return OUTCOMES[outcome][0]


def machine_of(source: Place) -> str:
    """A row's machine type: `pc-i440fx-7.2`."""
    return source.machine or "any"


def short_text(cell: Cell) -> str:
    """`✗ refused`: a symbol and a word for each thing that a cell comes to."""
    return ", ".join(f"{symbol(outcome)} {SHORT[outcome]}" for outcome in cell.outcomes)


def reasons(found: Matrix) -> list[Reason]:
    """What is wrong, worst first; the same thing of several pairs once."""
    by_key: dict[tuple[object, ...], Reason] = {}
    for cell in found:
        for one in cell.found:
            finding = one.finding
            key = (one.outcome, finding.rule, finding.message, finding.hint, one.guests)
            reason = by_key.setdefault(key, Reason(one.outcome, one))
            if not reason.cells or reason.cells[-1] is not cell:
                reason.cells.append(cell)
    return sorted(by_key.values(), key=lambda reason: -reason.outcome)


def pairs_text(found: Matrix, cells: Sequence[Cell]) -> list[str]:
    """`QEMU 7.2, 10.0.2 -> QEMU 5.2: pc-i440fx-7.2`: what pairs have in common stands once."""
    several = len(_names(found)) > 1
    groups: list[_Group] = []
    for cell in cells:
        source, destination = found.sources[cell.source], found.destinations[cell.destination]
        kind = source.machine or "any machine type"
        one = (source.name, str(source.release), destination.name, str(destination.release), kind)
        groups.append(tuple((part,) for part in one))
    for place in _JOINED:
        groups = _joined(groups, place)
    texts = ([", ".join(part) for part in (name, left, there, right)] for name, left, there, right, _ in groups)
    return [
        (f"{name}, QEMU {left} -> {there}, QEMU {right}" if several else f"QEMU {left} -> QEMU {right}")
        + f": {listed(group[4], 6)}"
        for (name, left, there, right), group in zip(texts, groups, strict=True)
    ]


def _joined(groups: list[_Group], place: int) -> list[_Group]:
    """Groups that differ in one ``place`` only become one, with all that stood there."""
    by_rest: dict[_Group, list[str]] = {}
    for group in groups:
        by_rest.setdefault((*group[:place], *group[place + 1 :]), []).extend(group[place])
    return [(*rest[:place], tuple(dict.fromkeys(every)), *rest[place:]) for rest, every in by_rest.items()]


def _names(found: Matrix) -> set[str]:
    return {place.name for place in (*found.sources, *found.destinations)}


def counts_text(found: Matrix) -> str:
    """`65 pairs: 35 works, 15 refused, ...`, worst first."""
    counts = Counter(cell.outcome for cell in found)
    each = ", ".join(f"{counts[outcome]} {SHORT[outcome]}" for outcome in sorted(counts, reverse=True))
    return f"{len(found.cells)} pairs: {each}"


def matrix_blocks(found: Matrix) -> Iterator[Block]:
    """A table for each destination, the legend, every reason with its pairs, and what is assumed."""
    several = len(_names(found)) > 1
    for name in dict.fromkeys(place.name for place in found.destinations):
        yield _table(found, name, several=several)
    yield Facts("legend", [(symbol(outcome), meaning(outcome)) for outcome in outcomes_of(found)])
    for reason in reasons(found):
        yield _reason(found, reason)
    words = [*found.words, *assumptions(found)]
    if words:
        yield Note("")
        yield from (Note(word) for word in words)
    yield Note("")
    yield Note(counts_text(found))


def outcomes_of(found: Matrix) -> list[Outcome]:
    """All that there is in the matrix, best first."""
    return sorted({outcome for cell in found for outcome in cell.outcomes})


def meaning(outcome: Outcome) -> str:
    """`loss: works, with a loss`."""
    words = OUTCOMES[outcome][1]
    return words if words == SHORT[outcome] else f"{SHORT[outcome]}: {words}"


def _table(found: Matrix, name: str, *, several: bool) -> Table:
    """Of the destinations called ``name``; named itself where there are ``several`` profiles."""
    numbers = [number for number, place in enumerate(found.destinations) if place.name == name]
    front = ["from", "machine type", "from QEMU"] if several else ["machine type", "from QEMU"]
    heads = [*front, *(f"to QEMU {found.destinations[number].release}" for number in numbers)]
    table = Table(f"to {name}" if several else "", tuple(map(Column, heads)))
    for row, source in enumerate(found.sources):
        own = (source.name,) if several else ()
        cells = (short_text(found.cell(row, number)) for number in numbers)
        table.rows.append((*own, machine_of(source), str(source.release), *cells))
    return table


def _reason(found: Matrix, reason: Reason) -> Facts:
    finding = reason.found.finding
    pairs = [("says" if finding.chain or not reason.found.guests else "why", finding.message)]
    if reason.found.guests is not None:
        pairs.append(("only if", reason.found.guests))
    if finding.device is not None:
        pairs.append(("device", finding.device))
    pairs += [("pairs" if not number else "", text) for number, text in enumerate(pairs_text(found, reason.cells))]
    if finding.hint is not None:
        pairs.append(("do", finding.hint))
    return Facts(f"{symbol(reason.outcome)} {SHORT[reason.outcome]}", pairs)


def assumptions(found: Matrix) -> list[str]:
    """What no profile says and is assumed of several or one of them, once."""
    words = dict.fromkeys(word for place in (*found.sources, *found.destinations) for word in place.assumed)
    return [f"assumed: {word}" for word in words]


def matrix_json(found: Matrix) -> dict[str, Json]:
    """Rows, columns, and a cell for each pair with all of its findings."""
    return {
        "loads": found.loads,
        "sources": [_place_json(place) for place in found.sources],
        "destinations": [_place_json(place) for place in found.destinations],
        "cells": [_cell_json(cell) for cell in found],
        "left_out": list(found.words),
    }


def _place_json(place: Place) -> Json:
    return {
        "name": place.name,
        "qemu": str(place.release),
        "machine": place.machine,
        "stream": place.stream is not None,
        "assumed": list(place.assumed),
    }


def _cell_json(cell: Cell) -> Json:
    return {
        "source": cell.source,
        "destination": cell.destination,
        "machine": cell.machine,
        "outcome": cell.outcome.name.lower(),
        "verdict": cell.verdict,
        "loads": cell.loads,
        "findings": [found_json(one) for one in cell.found],
    }


def found_json(found: Found) -> dict[str, Json]:
    """A finding, what it comes to, and which guests meet it (null: every one)."""
    return {**finding_json(found.finding), "outcome": found.outcome.name.lower(), "guests": found.guests}


def matrix_csv(found: Matrix) -> str:
    """One line for each pair, under ``CSV_COLUMNS``; several reasons of a pair stand in one cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for cell in found:
        source, destination = found.sources[cell.source], found.destinations[cell.destination]
        hints = dict.fromkeys(one.finding.hint for one in cell.found if one.finding.hint is not None)
        row = (
            source.name,
            source.release,
            source.machine or "",
            destination.name,
            destination.release,
            cell.verdict,
            "; ".join(one.finding.message for one in cell.found),
            "; ".join(hints),
        )
        writer.writerow([_plain_cell(value) for value in row])
    return text.getvalue()


def _plain_cell(value: object) -> str:
    text = safe(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
