"""The page of a downtime report: what it means, the figures, and every table.

Knows which parts make the page and what is in its data; knows not how it looks.
"""

from __future__ import annotations

from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.words import SHORT, verdict
from vnetmig.report.blocks import Block, Facts
from vnetmig.report.downtime_log import downtime_blocks, summary
from vnetmig.report.escape import safe
from vnetmig.report.figures.downtime import figures_of
from vnetmig.report.figures.drawing import tree
from vnetmig.report.html.columns import pack
from vnetmig.report.html.flat import block_json
from vnetmig.report.html.page import asset, page
from vnetmig.report.json import Json

SCRIPTS = ("drawing.js", "downtime.js")


def downtime_page(found: Downtime) -> str:
    """One HTML file about ``found``; FieldError without matplotlib."""
    script = "\n".join(map(asset, SCRIPTS))
    return page("Downtime", asset("downtime.css"), asset("downtime.html"), script, pack(downtime_data(found), {}))


def downtime_data(found: Downtime) -> dict[str, Json]:
    """What the page is made of."""
    return {
        "short": SHORT,
        "summary": block_json(summary(found)),
        "verdict": [
            {"title": safe(title), "sentences": [safe(sentence) for sentence in said]} for title, said in verdict(found)
        ],
        "figures": [
            {"title": drawn.title, "text": drawn.text, "drawing": tree(drawn.figure, drawn.name)}
            for drawn in figures_of(found)
        ],
        "tables": [block_json(block) for block in _tables(found)],
    }


def _tables(found: Downtime) -> list[Block]:
    return [block for block in downtime_blocks(found, everything=True) if not isinstance(block, Facts)]
