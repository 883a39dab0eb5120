"""Each device's samples as a strip with mean, interval and median; and each difference with its interval.

Knows measured downtimes and axes; tests nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from vnetmig.analysis.downtime.compared import Against
from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.outlier import far_out
from vnetmig.analysis.downtime.quantity import Quantity
from vnetmig.analysis.significance import interval
from vnetmig.analysis.verdict import is_significant
from vnetmig.report.downtime_log import label, moved_alone, p_text, shown_quantities, signed
from vnetmig.report.escape import safe
from vnetmig.report.figures.drawing import AFTER, BEFORE, INK, LINE, OTHER, SOFT, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = ((BEFORE, "o"), (AFTER, "^"), (SOFT, "s"), (INK, "D"))
"""Colour and shape of each arm; more arms begin again."""

LEAST = 0.5
"""Microseconds at which a sample of 0 stands on an axis that has none."""

DOTS = 400
"""Samples of an arm of a device that are all drawn; of more, those far out and as many of the others."""

WIDTH = 10.0
_LINE = 0.19
_ABOVE_AND_BELOW = 0.9
_LONGEST = 44


def rows_of(found: Downtime, side: str) -> list[Quantity]:
    """What a figure of this side shows: devices and sums; not the last pass over RAM, which would dwarf them."""
    return [
        quantity
        for quantity in shown_quantities(found, side, everything=False)
        if quantity.kind in ("device", "sum") and (quantity.entry is None or not quantity.entry.is_ram)
    ]


def strips(found: Downtime, side: str) -> Figure:
    """Every sample of every arm."""
    rows = rows_of(found, side)
    arms = found.arms
    figure, axes = new_figure(WIDTH, _ABOVE_AND_BELOW + _LINE * len(rows) * (len(arms) + 0.6))
    ticks = []
    for row, quantity in enumerate(rows):
        top = -row * (len(arms) + 0.6)
        ticks.append(top - (len(arms) - 1) / 2)
        for place, arm in enumerate(arms):
            if arm in quantity.samples:
                _strip(axes, quantity.samples[arm].values, top - place, *ARMS[place % len(ARMS)])
    axes.set_xscale("log")
    axes.set_yticks(ticks, [short(label(quantity)) for quantity in rows])
    axes.set_ylim(-len(rows) * (len(arms) + 0.6) + 0.3, 0.9)
    axes.set_xlabel(f"{side}: microseconds, each migration a mark; bar: 95 % interval of the mean; tick: median")
    _decades(axes)
    for place, arm in enumerate(arms if len(arms) > 1 else ()):
        colour, marker = ARMS[place % len(ARMS)]
        axes.plot([], [], marker, color=colour, label=f"{short(arm)} (n = {sum(hop.arm == arm for hop in found.hops)})")
    if len(arms) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(arms), frameon=False, borderpad=0)
    return figure


def _strip(axes: Any, values: Sequence[int], height: float, colour: str, marker: str) -> None:
    drawn = _thinned(values)
    # a fixed pattern instead of chance: the same samples give the same picture
    heights = [height + 0.3 * ((place * 0.618) % 1 - 0.5) for place in range(len(drawn))]
    shown = [max(LEAST, value) for value in drawn]
    axes.plot(shown, heights, marker, color=colour, markersize=3, alpha=0.45, markeredgewidth=0)
    reach = interval(values) if len(values) > 1 else None
    if reach is not None:
        low, high = (max(LEAST, end) for end in reach)
        axes.plot([low, high], [height, height], color=INK, linewidth=3.2, solid_capstyle="butt")
    mean = max(LEAST, fmean(values))
    axes.plot([mean], [height], marker, color=colour, markersize=5.5, markeredgecolor=INK, markeredgewidth=0.9)
    middle = max(LEAST, median(values))
    axes.plot([middle, middle], [height - 0.38, height + 0.38], color=INK, linewidth=1.1)


def _thinned(values: Sequence[int]) -> Sequence[int]:
    if len(values) <= DOTS:
        return values
    low, high = far_out(values) or (0, 0)
    step = -(-len(values) // DOTS)
    return [value for place, value in enumerate(values) if place % step == 0 or not low <= value <= high]


def _decades(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def differences(found: Downtime, side: str, arm: str) -> Figure:
    """``arm`` against the first arm: who gained, who paid."""
    wanted = {id(quantity) for quantity in rows_of(found, side)}
    rows = {id(row.quantity): row for row in found.against if row.arm == arm and id(row.quantity) in wanted}
    ordered = [rows[id(quantity)] for quantity in rows_of(found, side) if id(quantity) in rows]
    figure, axes = new_figure(WIDTH, _ABOVE_AND_BELOW + 1.5 * _LINE * max(1, len(ordered)))
    for place, row in enumerate(ordered):
        _difference(axes, row, -place)
    axes.axvline(0, color=SOFT, linewidth=1)
    sums = sum(row.quantity.kind == "sum" for row in ordered)
    if sums and sums < len(ordered):
        axes.axhline(sums - len(ordered) + 0.5, color=LINE, linewidth=1)
    axes.set_yticks([-place for place in range(len(ordered))], [short(label(row.quantity)) for row in ordered])
    axes.set_ylim(0.6 - len(ordered), 0.6)
    axes.set_xlabel(
        f"{side}: {short(arm)} against {short(found.arms[0])}, difference of the means in microseconds"
        " with its 95 % interval; filled: proven"
    )
    axes.tick_params(axis="y", length=0)
    return figure


def _difference(axes: Any, row: Against, height: float) -> None:
    compared = row.welch
    proven = moved_alone(row) if row.quantity.kind == "device" else is_significant(compared)
    colour = OTHER if not proven else BEFORE if compared.difference < 0 else AFTER
    marker = "<" if compared.difference < 0 else ">"
    if compared.low is not None and compared.high is not None:
        axes.plot([compared.low, compared.high], [height, height], color=colour, linewidth=2.4, solid_capstyle="butt")
    face = colour if proven else "none"
    edge = colour if proven else SOFT
    axes.plot([compared.difference], [height], marker, markersize=7, markerfacecolor=face, markeredgecolor=edge)
    holm = [p for p in (row.holm, row.wilcoxon_holm) if p is not None]
    p = min(holm) if holm else compared.p
    share = f" ({100 * compared.difference / compared.before.mean:+.0f} %)" if compared.before.mean else ""
    told = f"{signed(compared.difference)}{share}  p {p_text(p)}{' after Holm' if holm else ''}"
    axes.annotate(
        told,
        (1, height),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=INK if proven else SOFT,
        annotation_clip=False,
    )


def short(name: str) -> str:
    """Names come from logs: a long one must not take the whole width, and none may have what XML cannot."""
    name = safe(name)
    return name if len(name) <= _LONGEST else f"...{name[3 - _LONGEST :]}"
