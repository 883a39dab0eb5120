"""All figures of a downtime report, in the order in which they are read.

Knows which there are; draws none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.report.figures.devices import differences, rows_of, strips
from vnetmig.report.figures.time_line import network_line, time_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIFFERENCES = (
    "Difference of the means with its 95 % interval, device by device and of the sums. Filled: proven, for a device"
    " also after Holm's correction for all devices of this side, by means or by ranks. Left of the line is time won."
)
STRIPS = (
    "Every migration is a mark; no outlier is left out. The large mark is the mean, the thick bar its 95 % interval,"
    " the tick the median. The axis is logarithmic."
)
TIME_LINE = (
    "One migration of each arm, the most ordinary one: nearest to the medians of this stretch and of the device that is"
    " coloured. Gaps are QEMU's own work between the devices."
)
NETWORK = "The longest outage that ping saw around a migration, on one time line with the guest's blackout."


@dataclass(frozen=True, slots=True)
class Drawn:
    """``name``: of its file; ``text``: how to read it."""

    name: str
    title: str
    text: str
    figure: Figure


def figures_of(found: Downtime) -> Iterator[Drawn]:
    """Everything that there is to draw."""
    for side, title in (("load", "Load, on the destination"), ("save", "Save, on the source")):
        if not rows_of(found, side):
            continue
        for place, arm in enumerate(found.arms[1:], 1):
            if any(row.arm == arm and row.quantity.side == side for row in found.against):
                name = f"{side}-differences" + ("" if len(found.arms) == 2 else f"-{place}")
                yield Drawn(name, f"{title}: who gained, who paid", DIFFERENCES, differences(found, side, arm))
        yield Drawn(f"{side}-devices", f"{title}: every migration", STRIPS, strips(found, side))
    line = time_line(found)
    if line is not None:
        yield Drawn("time-line", "On the clock", TIME_LINE, line)
    network = network_line(found)
    if network is not None:
        yield Drawn("network", "Blackout and outage", NETWORK, network)
