"""What a process does for the first time takes longer: a relay does it before a guest stands still for it.

Knows the capture that comes with vnetmig; keeps nothing of it.
"""

from __future__ import annotations

from typing import Final

from vnetmig.analysis.profile.from_stream import OfStream
from vnetmig.document.load import load
from vnetmig.document.sample import sample
from vnetmig.migration.watcher import Watcher
from vnetmig.qemu.relay.checking import Checking
from vnetmig.qemu.relay.gate import Gate
from vnetmig.qemu.relay.rewriting import Rewriting

_RELEASE: Final = "10.0.13"
_CHANGE: Final = "virtio-net:mac=52:54:00:00:00:01"


def rehearse(gated: bool, engine: str | None = None) -> None:
    """Pass the capture on to nobody: imports modules, compiles programs."""
    data = load(sample(), engine=engine).encode()
    if gated:
        gate = Gate(Checking(OfStream(), qemu=_RELEASE, engine=engine), Rewriting([_CHANGE]), engine=engine, late=True)
        gate.feed(data, 0)
        gate.close(0)
    else:
        watcher = Watcher(engine=engine)
        watcher.feed(data, 0)
        watcher.close(0)
