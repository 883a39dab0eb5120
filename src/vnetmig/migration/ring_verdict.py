"""What the ring checks say about a loaded device, as text for the result.

Knows only that there are ring checks and when they cannot run.
"""

from __future__ import annotations

from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.vmstate.record import Record


def ring_verdict(record: Record, memory: GuestMemory | None) -> tuple[str, ...] | None:
    """One text per finding, none when all is well; None: not checked, since nothing is known of the guest's memory."""
    if memory is None:
        return None
    from vnetmig.virtio.rings import check_rings

    return tuple(str(finding) for finding in check_rings(record, memory))
