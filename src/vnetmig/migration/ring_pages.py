"""The guest pages that hold a device's virtqueues, and the RAM words that carry them.

Knows where a record says that its rings are (VIRTIO 1.2, 2.7 and 2.8) and which RAM block has an address; knows no
section. Ring checks at the destination need these pages and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vnetmig.stream.guest_memory import NOT_GUEST_RAM, GuestMemory, pc_extents
from vnetmig.stream.ram_words import PAGE_SIZE, Block, Page, Zero
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.vmstate.record import Record

RING_MAX = 32768
"""Entries of one queue, by the specification: what a stream may make us read."""

LEGACY_ALIGN = 4096
"""qemu: include/standard-headers/linux/virtio_pci.h:VIRTIO_PCI_VRING_ALIGN"""

_DESCRIPTOR, _EVENT = 16, 4


def ring_spans(record: Record) -> Iterator[tuple[int, int]]:
    """(address, length) of every part of every configured queue; legal for split and packed rings alike."""
    queues = min(_number(record, "num_queues"), QUEUE_MAX)
    modern = "virtqueues.vq[0].avail" in record
    for index in range(queues):
        entries = min(_number(record, f"vq[{index}].num"), RING_MAX)
        descriptors = _number(record, f"vq[{index}].desc")
        if not entries or not descriptors:
            continue
        available, used = 6 + 2 * entries, 6 + 8 * entries  # flags, idx, ring, event index
        yield descriptors, _DESCRIPTOR * entries
        if modern:
            yield _number(record, f"virtqueues.vq[{index}].avail"), max(available, _EVENT)
            yield _number(record, f"virtqueues.vq[{index}].used"), max(used, _EVENT)
        else:
            align = _number(record, f"vq[{index}].align") or LEGACY_ALIGN
            at = descriptors + _DESCRIPTOR * entries
            yield at, available
            yield -(-(at + available) // align) * align, used


def ring_pages(states: Iterable[object], memory: GuestMemory) -> dict[int, bytes]:
    """Pages by address: all that the rings of these records touch and ``memory`` knows."""
    spans = [span for state in states if isinstance(state, Record) for span in ring_spans(state)]
    return dict(sorted(memory.pages_for(spans)))


def page_words(pages: dict[int, bytes], blocks: Sequence[Block], machine: str) -> list[Page | Zero]:
    """PAGE and ZERO words for ``pages``, each in the block that holds its address; others are left out."""
    guest = [b for b in blocks if "/" not in b.name and not b.name.startswith(NOT_GUEST_RAM)]
    if len(guest) != 1:
        return []
    extents = pc_extents(machine, guest[0].used_length, guest[0].name)
    words: list[Page | Zero] = []
    for gpa, data in pages.items():
        for extent in extents:
            if extent.gpa <= gpa <= extent.gpa + extent.size - PAGE_SIZE:
                address, named = extent.start + gpa - extent.gpa, not words
                zero = data == bytes(PAGE_SIZE)
                words.append(Zero(extent.block, address, 0, named) if zero else Page(extent.block, address, data, named))
    return words


def _number(record: Record, path: str) -> int:
    value = record.get(path, 0)
    return value if isinstance(value, int) else 0
