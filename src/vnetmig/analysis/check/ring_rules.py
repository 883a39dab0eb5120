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
from vnetmig.virtio.rings import PAGE_SIZE, RING_PACKED, Memory, RingState, check_rings, ring_spans

BROKEN_SINCE = "6.0"
"""Since then a guest index that cannot be is printed and marks the device broken; before, it was logged at most."""


DRIVER_OK = 4
"""virtio 1.3, 2.1: the driver is set up."""

PAGES_LOOKED_AT = 64


_NOT_CHECKED = Trouble(
    "rings-not-checked",
    {},
    "vq",
    severity=Severity.INFO,
    words="rings not checked: the guest's memory is not given",
)


def rings(state: Arriving) -> Iterator[Trouble]:
    """Of each queue that has an address, in order; the loader stops at the first that fails."""
    if state.memory is None:
        if _has_split_rings(state):
            yield _NOT_CHECKED
        return
    checked = check_rings(state.record, state.memory, state.engine, log_only=not state.release.since(BROKEN_SINCE))
    if any(ring.verdict == Verdict.NOT_CHECKED for ring in checked):
        yield _NOT_CHECKED
    if _is_foreign(state, state.memory):
        yield Trouble(
            "memory-foreign",
            {},
            "vq",
            severity=Severity.INFO,
            words="the memory that was given is zero where this device's rings are: is it of this stream?",
        )
    for ring in checked:
        found = _judged(ring, state.release.since(BROKEN_SINCE))
        if found is not None:
            yield found


def _has_split_rings(state: Arriving) -> bool:
    """Rings of which something stands in guest memory only."""
    columns = state.queues
    placed = zip(columns.get("num", ()), columns.get("desc", ()), strict=True)
    return not state.guest_features & RING_PACKED and any(num and desc for num, desc in placed)


def _is_foreign(state: Arriving, memory: Memory) -> bool:
    """Rings that a driver has set up hold at least one descriptor."""
    if not (state.number("status") or 0) & DRIVER_OK:
        return False
    pages = {
        page for gpa, length in ring_spans(state.record) for page in range(gpa & -PAGE_SIZE, gpa + length, PAGE_SIZE)
    }
    found = [memory.read(page, PAGE_SIZE) for page in sorted(pages)[:PAGES_LOOKED_AT]]
    return bool(found) and not any(content is None or any(content) for content in found)


def _judged(ring: RingState, printed: bool) -> Trouble | None:
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
        if not printed:
            words = "a guest index that cannot be, which this release does not say"
            return Trouble("queue-guest-index", values, path, severity=Severity.WARNING, words=words)
        return Trouble("queue-guest-index", values, path, severity=Severity.BROKEN)
    if ring.verdict == Verdict.OVERUSED:
        values = {"index": ring.index, "size": queue.num, "last": queue.last_avail_idx, "used": ring.used_idx}
        return Trouble("queue-used-index", values, path, code=errno.EPERM)
    return None
