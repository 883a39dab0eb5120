"""Two devices of a third party, made known to vnetmig by one entry point.

``ring`` is described by a table and migrates whole, with the guest stopped; ``table`` migrates in rounds.
"""

from __future__ import annotations

from acme_ring.ring import RING
from acme_ring.table import IDSTR, TABLE, VERSION, TableHandlers
from vnetmig import register_savevm_live, register_vmstate


def announce() -> None:
    """Called by vnetmig once, before it reads or writes the first section."""
    register_vmstate(RING)
    register_savevm_live(IDSTR, 0, VERSION, TableHandlers(), TABLE)
