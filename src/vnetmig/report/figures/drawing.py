"""A figure as SVG: as a file, and as a tree that a page builds element by element.

Knows matplotlib's SVG; knows no figure. A page takes no markup (report/html/page.py), and its policy allows no style
attribute: so styles become presentation attributes, and the colours of ``INKS`` become classes, whose colours the
page's own sheet gives for light and dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from vnetmig.errors import FieldError
from vnetmig.report.json import Json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INKS: Final = {
    "#0072b2": "before",
    "#d55e00": "after",
    "#1b1f24": "ink",
    "#59616c": "soft",
    "#d3d7de": "line",
    "#aab1bb": "other",
}
"""The colours that a figure may use. Blue and vermilion are told apart by people of every kind of colour vision (M.
Okabe and K. Ito, "Color Universal Design", 2008), and the arms differ in shape as well."""

BEFORE, AFTER, INK, SOFT, LINE, OTHER = INKS

_RC: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vnetmig",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.facecolor": "none",
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "ytick.left": False,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.parse_math": False,  # names come from logs
    "path.simplify": False,
}
_KEPT: Final = {
    "svg": {"viewBox"},
    "g": {"clip-path", "transform"},
    "defs": set(),
    "clipPath": {"id"},
    "path": {"id", "d", "transform", "clip-path"},
    "use": {"x", "y", "transform"},
    "rect": {"x", "y", "width", "height"},
    "text": {"x", "y", "transform"},
    "tspan": {"x", "y"},
}
_STYLES: Final = {
    "fill",
    "fill-opacity",
    "opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-opacity",
    "stroke-width",
}
_STYLES_OF_TEXT: Final = {"text-anchor", "font-size", "font-weight"}


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches with one pair of axes; FieldError without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise FieldError(f"figures need matplotlib: pip install 'vnetmig[report]' ({error})") from error
    with rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.add_subplot()


def svg(figure: Figure, *, ground: str = "white") -> bytes:
    """The file: the same bytes for the same figure. ``ground``: what it is drawn on, "none" for what is behind it."""
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    made = BytesIO()
    with rc_context(_RC):
        figure.savefig(
            made, format="svg", facecolor=ground, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return made.getvalue()


def tree(figure: Figure, name: str) -> Json:
    """[tag, attributes, children] down to text; ``name`` goes in front of all ids: one page can have several."""
    return _node(ElementTree.fromstring(svg(figure, ground="none")), name)


def _node(element: ElementTree.Element, name: str) -> list[Json]:
    tag = _local(element.tag)
    children: list[Json] = [_node(child, name) for child in element if _local(child.tag) in _KEPT]
    if element.text and element.text.strip():
        children.insert(0, element.text)
    attributes: dict[str, Json] = dict(_attributes(element, tag, name))
    return [tag, attributes, children]


def _attributes(element: ElementTree.Element, tag: str, name: str) -> Iterator[tuple[str, str]]:
    classes = []
    styles = dict(_styles(element.get("style", "")))
    for key, value in {**element.attrib, **styles}.items():
        local = _local(key)
        if local == "href" and value.startswith("#"):
            yield "href", f"#{name}-{value[1:]}"
        elif local == "id" and "id" in _KEPT[tag]:
            yield "id", f"{name}-{value}"
        elif local == "clip-path" and value.startswith("url(#"):
            yield "clip-path", f"url(#{name}-{value[5:]}"
        elif local in ("fill", "stroke") and value.lower() in INKS:
            classes.append(f"{local}-{INKS[value.lower()]}")
        elif local in _KEPT[tag] or local in _STYLES or (tag == "text" and local in _STYLES_OF_TEXT):
            yield local, value
    if tag == "text" and not any(each.startswith("fill") for each in classes):
        classes.append("fill-ink")
    if classes:
        yield "class", " ".join(classes)


def _styles(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        key, _, value = part.partition(":")
        key, value = key.strip(), value.strip()
        if key == "font":
            size = re.search(r"([\d.]+)px", value)
            if size is not None:
                yield "font-size", size[1]
            if re.match(r"(bold|[6-9]00)\b", value):
                yield "font-weight", "bold"
        elif key:
            yield key, value


def _local(name: str) -> str:
    """Without the namespace."""
    return name.rpartition("}")[2]
