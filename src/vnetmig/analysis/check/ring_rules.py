"""What the loader finds in the rings of a device, and what it makes of that.

Source: qemu: hw/virtio/virtio.c:virtio_load. The arithmetic is virtio.rings'.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.trouble import Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.engine.rings import Verdict
from vnetmig.virtio.rings import RingState, check_rings

BROKEN_SINCE = "6.0"
"""Since then a guest index that cannot be is printed and marks the device broken; before, it was logged at most."""


def rings(state: Arriving) -> Iterator[Trouble]:
    """Of each queue that has an address, in order; the loader stops at the first that fails."""
    checked = check_rings(
        state.record, state.memory, state.engine, log_only=not state.release.since(BROKEN_SINCE)
    )
    if any(ring.verdict == Verdict.NOT_CHECKED for ring in checked):
        yield Trouble(
            "rings-not-checked",
            {},
            "vq",
            severity=Severity.INFO,
            words="rings not checked: the guest's memory is not given",
        )
    for ring in checked:
        found = _judged(ring)
        if found is not None:
            yield found


def _judged(ring: RingState) -> Trouble | None:
    queue = ring.queue
    path = f"vq[{ring.index}].last_avail_idx"
    if ring.verdict == Verdict.INCONSISTENT:
        values = {
            "index": ring.index,
            "size": queue.num,
            "guest": ring.avail_idx,
            "host": queue.last_avail_idx,
            "delta": ring.nheads,
        }
        return Trouble("queue-guest-index", values, path, severity=Severity.BROKEN)
    if ring.verdict == Verdict.OVERUSED:
        values = {"index": ring.index, "size": queue.num, "last": queue.last_avail_idx, "used": ring.used_idx}
        return Trouble("queue-used-index", values, path, code=errno.EPERM)
    return None
