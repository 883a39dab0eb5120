"""The destination's RAM as a device finds it when its rings are looked at, and where that RAM is.

Knows what QEMU makes of guest addresses: pages that came, pages that never came (zero, as RAM begins), and addresses
where there is no RAM (read as zero). Knows no ring. Says nothing where nothing is sure: RAM that is shared, comes
by other channels or after the device, or is made of several blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from vnetmig.analysis.profile.profile import Profile
from vnetmig.document.stream import Stream
from vnetmig.stream import framing
from vnetmig.stream.guest_memory import Extent, ram_extents
from vnetmig.stream.payload import Payload
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import Block, CompressedPage, Page
from vnetmig.virtio.rings import Memory

X86 = ("pc", "q35", "microvm")
"""Machines, by the start of their names, whose RAM lies where ``ram_extents`` puts it."""

MOVED = b"max-ram-below-4g"
"""The property that puts RAM elsewhere; it is not migrated."""

_POSTCOPY = frozenset({framing.POSTCOPY_ADVISE, framing.POSTCOPY_LISTEN, framing.POSTCOPY_RUN})


@dataclass(frozen=True)
class GuestRam:
    """The RAM beside which the devices of ``stream`` are loaded; ``memory`` is what is known of its content."""

    memory: Memory
    stream: Stream
    profile: Profile

    def read(self, gpa: int, length: int) -> bytes | None:
        """``length`` bytes within one page at ``gpa``; None when they are not known."""
        found = self.memory.read(gpa, length)
        if found is not None or not self.extents:
            return found
        if any(extent.gpa < gpa + length and gpa < extent.gpa + extent.size for extent in self.extents):
            return bytes(length) if self.is_whole else None
        return bytes(length)

    def crosses_edge(self, gpa: int, length: int) -> bool:
        """Is only a part of ``length`` bytes at ``gpa`` in RAM, or below 2^64, so that they cannot be mapped?"""
        edges = [edge for extent in self.extents for edge in (extent.gpa, extent.gpa + extent.size)]
        return any(gpa < edge < gpa + length for edge in (*edges, 1 << 64))

    @cached_property
    def extents(self) -> tuple[Extent, ...]:
        """Where RAM is; empty when that is not known."""
        machine = self.stream.machine or self.profile.machine or ""
        if not machine.startswith(X86) or MOVED in (self.profile.command or b""):
            return ()
        return ram_extents(_blocks(self.stream.context.ram or ()), machine)

    @cached_property
    def is_whole(self) -> bool:
        """Is a page that is not known one that never came, so that it is zero?

        With multifd its channels bring all pages but those of zeros; with postcopy they come later.
        """
        if self.stream.context.is_elsewhere or any(command.number in _POSTCOPY for command in self.stream.commands):
            return False
        return any(
            isinstance(word, Page | CompressedPage)
            for payload in self.stream.context.ram or ()
            if isinstance(payload, RamWords)
            for word in payload.words()
        )


def guest_ram(stream: Stream, profile: Profile) -> GuestRam | None:
    """None when nothing is known of the guest's memory."""
    memory = stream.memory
    return None if memory is None else GuestRam(memory, stream, profile)


def _blocks(payloads: Iterable[Payload]) -> tuple[Block, ...]:
    for payload in payloads:
        if isinstance(payload, RamWords):
            listed = payload.block_list()
            return () if listed is None else listed.blocks
    return ()
