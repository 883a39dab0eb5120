"""One migration on the clock: what both sides did between the guest's stop and its start, and what the network saw.

Knows hops and axes. The migration shown is the most ordinary one of its arm, not the best one.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

from vnetmig.analysis.downtime.blackout import Dark
from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.hop import INTERVALS, Hop
from vnetmig.analysis.downtime.side import NO_TIME, Role
from vnetmig.analysis.gain import bears
from vnetmig.report.figures.devices import ARMS, WIDTH, short
from vnetmig.report.figures.drawing import AFTER, BEFORE, INK, OTHER, SOFT, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = "RAM saved -> guest runs"
_LETTER = 0.0065
"""Share of the width that a letter of a section's name takes: what has no room for its name goes without."""


def ordinary_hop(found: Downtime, arm: str) -> int | None:
    """The hop that is nearest to its arm's medians, of ``SHOWN`` and of what the device took on either side; None
    without timestamps on both sides."""
    timed = {
        number: (took, *(_own(found, hop, role) for role in Role))
        for number, hop in enumerate(found.hops)
        if hop.arm == arm and (took := hop.between(SHOWN)) is not None
    }
    if not timed:
        return None
    middles = [median(each) or 1 for each in zip(*timed.values(), strict=True)]
    return min(
        timed,
        key=lambda number: sum(
            abs(value - middle) / abs(middle) for value, middle in zip(timed[number], middles, strict=True)
        ),
    )


def _own(found: Downtime, hop: Hop, role: Role) -> int:
    side = hop.side(role)
    return 0 if side is None else sum(took for entry, took in side.stopped() if bears(entry.name, found.device))


def time_line(found: Downtime) -> Figure | None:
    """One migration of each arm, from the end of RAM to the guest's start; None without timestamps."""
    chosen = [
        (place, number) for place, arm in enumerate(found.arms) if (number := ordinary_hop(found, arm)) is not None
    ]
    if not chosen:
        return None
    figure, axes = new_figure(WIDTH, 0.9 + 1.0 * len(chosen))
    end = max(found.hops[number].between(SHOWN) or 0 for _, number in chosen) / 1000
    ticks, names = [], []
    for row, (place, number) in enumerate(chosen):
        hop = found.hops[number]
        for line, role in enumerate((Role.SOURCE, Role.DESTINATION)):
            height = -(2.3 * row + line)
            ticks.append(height)
            names.append(f"{_arm(found, hop)}{'source saves' if role is Role.SOURCE else 'destination loads'}")
            for name, start, took in _sections(hop, role):
                own = bears(name, found.device)
                colour = ARMS[place % len(ARMS)][0] if own else OTHER
                axes.barh(height, took, left=start, height=0.62, color=colour, edgecolor="none", linewidth=0)
                last = short(name.rpartition("/")[2])
                if took > _LETTER * len(last) * end:
                    text = axes.text(start + took / 2, height + 0.36, last, ha="center", va="bottom", fontsize=7)
                    text.set_clip_on(True)
        started = hop.between(SHOWN)
        if started is not None:
            axes.plot([started / 1000] * 2, [-(2.3 * row + 1.4), -(2.3 * row - 0.4)], color=INK, linewidth=1.4)
            axes.text(started / 1000, -(2.3 * row + 1.45), "guest runs", ha="right", va="top", fontsize=7)
    axes.set_yticks(ticks, names)
    axes.set_ylim(ticks[-1] - 0.9, 0.9)
    axes.set_xlim(-0.02 * (end or 1), 1.03 * (end or 1))  # a log may tell of times far outside
    axes.set_xlabel("milliseconds since RAM was saved; the most ordinary migration of each arm")
    return figure


def network_line(found: Downtime) -> Figure | None:
    """The guest's blackout beside the longest outage that a ping saw; None when it saw none."""
    dark = max(
        (each for each in found.dark if each.outage is not None),
        key=lambda each: each.outage.length if each.outage else 0,
        default=None,
    )
    if dark is None or dark.outage is None:
        return None
    figure, axes = new_figure(WIDTH, 1.6)
    for height, colour, start, end in (
        (0, AFTER, dark.outage.last, dark.outage.next),
        (1, BEFORE, dark.stopped, dark.started),
    ):
        axes.barh(height, (end - start) / 1000, left=(start - dark.stopped) / 1000, height=0.5, color=colour)
        axes.annotate(
            f"{(end - start) / 1000:.1f} ms",
            ((end - dark.stopped) / 1000, height),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )
    for end in (dark.stopped, dark.started):
        axes.axvline((end - dark.stopped) / 1000, color=SOFT, linewidth=0.8, linestyle=":")
    axes.set_yticks([1, 0], ["guest stands still", "no reply to ping"])
    axes.set_ylim(-0.6, 1.6)
    axes.set_xlabel(f"milliseconds since the guest stopped; {short(found.hops[dark.hop].name)}{_lost(dark)}")
    return figure


def _lost(dark: Dark) -> str:
    return "" if dark.outage is None else f", {dark.outage.lost} requests lost"


def _arm(found: Downtime, hop: Hop) -> str:
    return f"{short(hop.arm)}: " if len(found.arms) > 1 else ""


def _sections(hop: Hop, role: Role) -> Iterator[tuple[str, float, float]]:
    """(name, start, length), milliseconds since RAM was saved."""
    side, base = hop.side(role), hop.at(INTERVALS[SHOWN][0])
    if side is None or base is None:
        return
    for place, (entry, took, when) in enumerate(zip(side.entries, side.took, side.when, strict=True)):
        if when != NO_TIME and place >= side.early and not entry.is_ram and took > 0:
            yield entry.name, (when - took - base) / 1000, took / 1000
