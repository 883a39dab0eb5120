"""The RAM of a running guest: pages go while it runs, again when it has written them, the rest when it has stopped.

Knows pages, the dirty log and RAM words (qemu: migration/ram.c); knows no device. There is one block, without sharing
and without compression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vnetmig.migration.handlers import FINISHED, MORE, QuietHandlers, SaveFile
from vnetmig.model.guest_ram import PAGE_SIZE, GuestRam
from vnetmig.stream.ram_words import Block, BlockList, EndOfSection, Page, Word, Zero, encode_words

BLOCK: Final = "pc.ram"
VERSION: Final = 4
PAGE_BYTES: Final = 8 + PAGE_SIZE
"""Of a page on the wire, where the block's name need not be said again."""

PART_PAGES: Final = 256
"""Pages of one PART at most, so that other devices have their turn and progress can be seen."""


@dataclass(slots=True)
class RamMigration:
    """The opaque of the hooks: a guest's RAM, and the pages that the destination does not have yet."""

    ram: GuestRam
    pending: set[int] = field(default_factory=set)

    def look(self) -> None:
        """Note what the guest has written."""
        self.pending.update(self.ram.take_dirty())

    @property
    def size(self) -> int:
        """Bytes that are still to be sent."""
        return (len(self.pending) + self.ram.dirty_count) * PAGE_BYTES


class RamHandlers(QuietHandlers):
    """``opaque`` is a RamMigration."""

    __slots__ = ()

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        size = opaque.ram.size
        opaque.ram.take_dirty()
        opaque.pending = set(range(0, size, PAGE_SIZE))
        file.put_buffer(encode_words((BlockList(size, (Block(BLOCK, size),)), EndOfSection())))
        return 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        opaque.look()
        room = PART_PAGES if file.room is None else max(1, min(PART_PAGES, file.room // PAGE_BYTES))
        file.put_buffer(encode_words(_taken(opaque, room)))
        return MORE if opaque.pending else FINISHED

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        opaque.look()
        file.put_buffer(encode_words(_taken(opaque, len(opaque.pending))))
        return 0

    def state_pending_estimate(self, opaque: Any) -> int:
        return int(opaque.size)


def _taken(opaque: RamMigration, number: int) -> Iterator[Word]:
    """At most ``number`` of the pending pages, as words, and the end."""
    named = True
    for gpa in sorted(opaque.pending)[:number]:
        opaque.pending.discard(gpa)
        data = opaque.ram.page(gpa)
        if data.count(0) == PAGE_SIZE:
            yield Zero(BLOCK, gpa, 0, named)
        else:
            yield Page(BLOCK, gpa, data, named)
        named = False
    yield EndOfSection()
