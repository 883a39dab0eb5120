"""The page of a matrix: every pair as a cell, and what is behind it.

Knows which parts make the page and what of a matrix is in its data; knows not how it looks.
"""

from __future__ import annotations

from vnetmig.analysis.matrix.cell import Outcome
from vnetmig.analysis.matrix.matrix import Matrix
from vnetmig.report.html.columns import pack
from vnetmig.report.html.page import asset, page
from vnetmig.report.json import Json
from vnetmig.report.matrix import (
    SHORT,
    assumptions,
    counts_text,
    machine_of,
    matrix_json,
    meaning,
    outcomes_of,
    pairs_text,
    reasons,
    short_text,
    symbol,
)

SCRIPTS = ("matrix_table.js", "matrix_pair.js", "matrix.js")


def matrix_page(found: Matrix) -> str:
    """One HTML file about ``found``."""
    script = "\n".join(map(asset, SCRIPTS))
    return page("Migration matrix", asset("matrix.css"), asset("matrix.html"), script, pack(matrix_data(found), {}))


def matrix_data(found: Matrix) -> dict[str, Json]:
    """What the page is made of: ``matrix_json``, with words and symbols."""
    data = matrix_json(found)
    cells = data["cells"]
    assert isinstance(cells, list)
    for made, cell in zip(cells, found, strict=True):
        assert isinstance(made, dict)
        made["text"] = short_text(cell)
    return {
        **data,
        "summary": counts_text(found),
        "outcomes": [_outcome_json(outcome) for outcome in outcomes_of(found)],
        "rows": [machine_of(source) for source in found.sources],
        "reasons": [
            {
                "outcome": reason.outcome.name.lower(),
                "heading": f"{symbol(reason.outcome)} {SHORT[reason.outcome]}",
                "message": reason.found.finding.message,
                "guests": reason.found.guests,
                "device": reason.found.finding.device,
                "hint": reason.found.finding.hint,
                "pairs": list(pairs_text(found, reason.cells)),
            }
            for reason in reasons(found)
        ],
        "notes": [*found.words, *assumptions(found)],
    }


def _outcome_json(outcome: Outcome) -> Json:
    return {"name": outcome.name.lower(), "symbol": symbol(outcome), "meaning": meaning(outcome)}
