"""The guest pages that hold a device's virtqueues, and the RAM words that carry them.

Knows which RAM block has an address; where a record says that its rings are is virtio/rings.py's business. Ring checks
at the destination need these pages and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vnetmig.stream.guest_memory import NOT_GUEST_RAM, GuestMemory, pc_extents
from vnetmig.stream.ram_words import PAGE_SIZE, Block, Page, Zero
from vnetmig.virtio.rings import ring_spans
from vnetmig.vmstate.record import Record


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
                if data == bytes(PAGE_SIZE):
                    words.append(Zero(extent.block, address, 0, named))
                else:
                    words.append(Page(extent.block, address, data, named))
    return words
