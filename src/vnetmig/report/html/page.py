"""The skeleton of every report that is one HTML file: it loads nothing, and nothing in its data can become markup.

Knows HTML; knows no report. Three fences, each enough by itself: the data is base64, scripts build the page by
``textContent``, and the content security policy allows this page's own script and style by their hashes and nothing
else (no handlers in attributes, no network).
"""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources

from vnetmig.report.escape import safe

PARTS = ("page.js",)
"""Scripts that every page has, in front of its own."""
STYLES = ("page.css",)
"""Styles, likewise."""

_NOTHING_ELSE = "base-uri 'none'; form-action 'none'"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="vnetmig">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script type="application/octet-stream" id="data">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def page(title: str, style: str, body: str, script: str, data: bytes) -> str:
    """The file's text. ``title`` is text from anywhere; ``style``, ``body`` (markup) and ``script`` are this package's
    own; ``data`` comes from ``columns.pack``, and page.js gives it to ``script`` again."""
    whole = "\n".join([*map(asset, PARTS), script])
    style = "\n".join([*map(asset, STYLES), style])
    if "</" in style or "</script" in whole or "<!--" in whole:
        raise ValueError("a style or script that would end its own element")
    policy = f"default-src 'none'; script-src '{_digest(whole)}'; style-src '{_digest(style)}'; {_NOTHING_ELSE}"
    return _PAGE.format(
        policy=policy,
        title=html.escape(safe(title)),
        style=style,
        body=body,
        data=base64.b64encode(data).decode("ascii"),
        script=whole,
    )


def asset(name: str) -> str:
    """A text file of this package."""
    return resources.files("vnetmig.report.html").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
