"""The page on which a stream is explored: fields beside bytes.

Knows which parts make the page; knows neither how they look nor what is in a stream.
"""

from __future__ import annotations

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.report.html.columns import pack
from vnetmig.report.html.data import explore
from vnetmig.report.html.flat import flatten
from vnetmig.report.html.page import asset, page

SCRIPTS = ("model.js", "rows.js", "tree.js", "hex.js", "details.js", "search.js", "explorer.js")


def explorer_page(
    stream: Stream, data: bytes | memoryview, *, name: str, device: Section | None = None, rings: bool = False
) -> str:
    """One HTML file about ``stream``. Arguments as for ``data.explore``; ``name`` is what the stream is called."""
    packed = pack(*flatten(explore(stream, data, name=name, device=device, rings=rings)))
    script = "\n".join(map(asset, SCRIPTS))
    return page(f"{name}: migration stream", asset("explorer.css"), asset("explorer.html"), script, packed)
