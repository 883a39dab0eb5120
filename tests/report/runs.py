"""Runs to report on, made by hand."""

from __future__ import annotations

from typing import Any

from vnetmig.backend.ledger import Totals
from vnetmig.migration.run import Final, MigrationOutcome
from vnetmig.migration.timeline import DeviceTimes, Timeline
from vnetmig.report.afterwards import Afterwards, BackendThere, GuestThere
from vnetmig.report.run import GuestHere, Run

NET = "0000:00:04.0/virtio-net"


def section(idstr: str, load: int, *, save: int = 1000, size: int = 100, early: bool = False) -> DeviceTimes:
    return DeviceTimes(idstr, 0, size, save, load, early)


def line(mode: str, *sections: DeviceTimes, **options: Any) -> Timeline:
    return Timeline(mode, "c", sections, stream_bytes=500, **options)


def run(
    mode: str, *sections: DeviceTimes, here: GuestHere | None = None, there: Afterwards | None = None, **options: Any
) -> Run:
    """``options`` are those of the outcome."""
    unheard = options.pop("unheard", None)
    timeline = options.pop("timeline", None) or line(mode, *sections)
    given = {"state": "done", "owner": "destination", **options}
    return Run(MigrationOutcome(timeline=timeline, **given), here, there, unheard)


def delta_run(
    load: int, *, form: str = "DELTA", changed: tuple[str, ...] = ("vq[0].last_avail_idx",), resends: int = 0
) -> Run:
    sections = (
        section(f"{NET}-delta", 9000, size=900, early=True),
        section(f"{NET}-delta", 10, save=20, size=18),
        section(NET, load, size=90),
        section("vga", 400),
    )
    return run("iterative-delta", *sections, finals=(Final(NET, 0, form, resends, changed),))


def stock_run(load: int, other: int = 400) -> Run:
    return run("stock", section(NET, load, size=50_000), section("vga", other))


HERE = GuestHere(300, 20, 2)
TOTALS = Totals(items=13, repeated=0, calls=24, nanoseconds=5000, simulated=0)
BACKEND = BackendThere(NET, 0, "tap", TOTALS, Totals(4, 0, 4, 900, 0))


def there(steps: int = 100, counted: int | None = None, **options: Any) -> Afterwards:
    counters = {"steps": 320 + steps if counted is None else counted}
    return Afterwards(GuestThere(steps, counters=counters, **options), (BACKEND,))
