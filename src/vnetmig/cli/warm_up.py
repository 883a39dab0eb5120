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
from vnetmig.migration.in_memory import InMemoryChannel
from vnetmig.migration.machine import Machine
from vnetmig.migration.run import drive
from vnetmig.migration.source import Source


def warm_destination(engine: str | None) -> None:
    """Load the packaged capture, in every way that a source may send it."""
    machine = Machine.from_events(load(sample(), engine=engine).events, engine)
    for mode in ("iterative", "stock"):
        warm_source(machine, mode, engine)
    gc.collect()
    gc.freeze()  # what is left of this must not be looked through while it counts


def warm_source(machine: Machine, mode: str, engine: str | None) -> None:
    """Send ``machine`` to a destination in this process. How it ends is not looked at. Devices that load themselves
    stay out of it: here they would load into what they are about to send."""
    source = Source(machine, mode, engine=engine, registered=False)
    drive(source, InMemoryChannel(Destination(engine=engine, registered=False)))
