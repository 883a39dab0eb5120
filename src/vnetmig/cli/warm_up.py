"""One migration in memory before the ones that count.

A fresh Python process pays once for what it does first: modules, caches, memory. In iterative mode that would fall on
the early state of a device, outside of the downtime, and in stock mode inside of it: the mode would look faster than it
is. Knows sources and destinations; knows no channel, and measures nothing.
"""

from __future__ import annotations

import gc

from vnetmig.document.load import load
from vnetmig.document.sample import sample
from vnetmig.migration.destination import Destination
from vnetmig.migration.machine import Machine
from vnetmig.migration.source import Source


def warm_destination(engine: str | None) -> None:
    """Load the packaged capture, in every way that a source may send it."""
    machine = Machine.from_events(load(sample(), engine=engine).events, engine)
    for mode in ("iterative", "stock"):
        warm_source(machine, mode, engine)
    gc.collect()
    gc.freeze()  # what is left of this must not be looked through while it counts


def warm_source(machine: Machine, mode: str, engine: str | None) -> None:
    """Send ``machine`` to a destination in this process. How it ends is not looked at."""
    source = Source(machine, mode, engine=engine)
    destination = Destination(engine=engine)
    while (data := source.next_bytes()) is not None:
        destination.feed(data)
    destination.close()
    source.answer(destination.answer())
    source.close()
