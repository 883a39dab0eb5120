"""What the loader finds in the rings of a device, and what it makes of that.

Source: qemu: hw/virtio/virtio.c:virtio_load, virtio_init_region_cache. Where things are in memory is virtio.rings'.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping

from vnetmig.analysis.check import net_rules
from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.guest_ram import GuestRam
from vnetmig.analysis.check.trouble import Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.virtio.rings import PAGE_SIZE, RING_PACKED, Memory, QueueState, RingState, check_rings, ring_spans

BROKEN_SINCE = "6.0"
"""Since then a guest index that cannot be is printed and marks the device broken; before, it was logged at most."""

DRIVER_OK = 4
"""virtio 1.3, 2.1: the driver is set up."""

PAGES_LOOKED_AT = 64

_EVENT = 2  #: bytes of the event index behind a split ring (virtio 1.3, 2.7.6 and 2.7.8), with EVENT_IDX
_EVENT_IDX = 1 << 29

#   ring           what is printed since 10.2
_WORDS = {
    "desc": ("descriptor", "invalid guest physical address or corrupted queue setup"),
    "used": ("used", "possible guest misconfiguration or insufficient memory"),
    "avail": ("avalaible", "possible queue misconfiguration or overlapping memory region"),
}


_NOT_CHECKED = Trouble(
    "rings-not-checked",
    {},
    "vq",
    severity=Severity.INFO,
    words="rings not checked: the guest's memory is not given",
)


def rings(state: Arriving) -> Iterator[Trouble]:
    """Of each queue that has an address, in order; the loader stops at the first that fails."""
    memory = state.memory
    placed = [num for num, desc in zip(state.queues.get("num", ()), state.queues.get("desc", ()), strict=True) if desc]
    if memory is None and all(placed):  # nothing that a ring holds is known, and no size needs a word
        if placed and not state.guest_features & RING_PACKED:
            yield _NOT_CHECKED
        return
    sizes = net_rules.sizes_set(state) if state.kind == "virtio-net" else {}
    checked = check_rings(state.record, memory, state.engine, log_only=True)
    if any(_is_unknown(ring) for ring in checked):
        yield _NOT_CHECKED
    if isinstance(memory, GuestRam) and not memory.is_whole and _is_foreign(state, memory):
        yield Trouble(
            "memory-foreign",
            {},
            "vq",
            severity=Severity.INFO,
            words="the memory that was given is zero where this device's rings are: is it of this stream?",
        )
    for ring in checked:
        if ring.queue.desc:
            yield from _judged(ring, sizes, state)


def _is_unknown(ring: RingState) -> bool:
    queue = ring.queue
    return bool(queue.desc and queue.num and not queue.packed) and (ring.avail_idx is None or ring.used_idx is None)


def _is_foreign(state: Arriving, memory: Memory) -> bool:
    """Rings that a driver has set up hold at least one descriptor."""
    if not (state.number("status") or 0) & DRIVER_OK:
        return False
    pages = {
        page for gpa, length in ring_spans(state.record) for page in range(gpa & -PAGE_SIZE, gpa + length, PAGE_SIZE)
    }
    found = [memory.read(page, PAGE_SIZE) for page in sorted(pages)[:PAGES_LOOKED_AT]]
    return bool(found) and not any(content is None or any(content) for content in found)


def _judged(ring: RingState, sizes: Mapping[int, int], state: Arriving) -> Iterator[Trouble]:
    """One queue with an address; ``sizes``: entries of queues that the features have set anew."""
    queue = ring.queue
    size = sizes.get(ring.index, queue.num)
    path = f"vq[{ring.index}].last_avail_idx"
    if not size and not queue.legacy:
        yield Trouble("queue-empty", {}, f"vq[{ring.index}].num", severity=Severity.CRASH)
        return
    values: dict[str, object]
    avail, used = ring.avail_idx, ring.used_idx
    unmapped = _unmapped(queue, size, state) if size else None
    if unmapped is not None:
        name, why = _WORDS[unmapped]
        mapped = {"ring": unmapped, "name": name, "why": why, "device": _bus(state)}
        yield Trouble("ring-map-failed", mapped, f"vq[{ring.index}].desc", severity=Severity.BROKEN)
    if unmapped is not None or not size:
        avail = used = 0  # qemu: vring_avail_idx, vring_used_idx: without a mapping
    if queue.packed:
        return
    printed = state.release.since(BROKEN_SINCE)
    if avail is not None and (avail - queue.last_avail_idx) % 0x10000 > size:
        delta = (avail - queue.last_avail_idx) % 0x10000
        values = {
            "index": ring.index,
            "size": size,
            "guest": avail,
            "host": queue.last_avail_idx,
            "delta": delta,
        }
        if printed:
            yield Trouble("queue-guest-index", values, path, severity=Severity.BROKEN)
            return
        words = "a guest index that cannot be, which this release does not say"
        if used is None or (queue.last_avail_idx - used) % 0x10000 <= size:
            yield Trouble("queue-guest-index", values, path, severity=Severity.WARNING, words=words)
    if avail is not None and used is not None and (queue.last_avail_idx - used) % 0x10000 > size:
        values = {"index": ring.index, "size": size, "last": queue.last_avail_idx, "used": used}
        yield Trouble("queue-used-index", values, path, code=errno.EPERM)


def _unmapped(queue: QueueState, size: int, state: Arriving) -> str | None:
    """The first ring that cannot be mapped whole, in the order in which QEMU does it."""
    if not isinstance(state.memory, GuestRam):
        return None
    event = _EVENT if state.guest_features & _EVENT_IDX else 0
    used = 4 if queue.packed else 4 + 8 * size + event
    avail = 4 if queue.packed else 4 + 2 * size + event
    for ring, address, length in (
        ("desc", queue.desc, 16 * size),
        ("used", queue.used, used),
        ("avail", queue.avail, avail),
    ):
        if state.memory.crosses_edge(address, length):
            return ring
    return None


def _bus(state: Arriving) -> str:
    """How QEMU names the device in an error of its (qemu: hw/virtio/virtio.c:virtio_init_region_cache)."""
    return f"virtio-pci-bus device {state.idstr.rpartition('/')[0]}"
