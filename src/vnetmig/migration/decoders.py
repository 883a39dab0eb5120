"""Which decoder reads which section: where framing, RAM and devices meet.

Knows idstrs and what earlier events say about the grammar of later payloads (capabilities, POSTCOPY_ADVISE). It is
handed to the reader, so that framing and devices never import each other.
"""

from __future__ import annotations

from vnetmig.errors import StreamError
from vnetmig.stream.commands import PostcopyAdvise
from vnetmig.stream.configuration import TargetPageBits
from vnetmig.stream.device_state import DeviceDecoder
from vnetmig.stream.events import Command, Configuration, Event
from vnetmig.stream.iterative import IDSTR_SUFFIX, SECTION_VERSION, IterativeDecoder
from vnetmig.stream.mapped_ram import MappedRamDecoder
from vnetmig.stream.payload import Decoder, SectionHeader
from vnetmig.stream.ram import Grammar, RamDecoder
from vnetmig.stream.ram_words import PAGE_SIZE
from vnetmig.virtio import section
from vnetmig.virtio.net import VM_VERSION

RAM_VERSION = 4
MIN_PAGE_BITS, MAX_PAGE_BITS = 10, 24
"""Targets use 1 KiB to 64 KiB; flags take the lowest ten bits of a word."""


class Decoders:
    """Chooses decoders by header. ``observe`` every event, so that it knows what the stream announced.

    ``page_size``: the target's, from a vmdescription located beforehand; without it the stream's own word counts, or
    else x86's (only RAM words depend on it). ``stable``: the bytes fed to the reader stay (a mapped file), so RAM
    chunks may keep views of them.
    """

    def __init__(self, engine: str | None = None, *, page_size: int | None = None, stable: bool = False) -> None:
        self.engine = engine
        self.page_size = page_size or PAGE_SIZE
        self.stable = stable
        self.capabilities: tuple[str, ...] = ()
        self.postcopy = False

    def observe(self, event: Event) -> None:
        """Learn from ``event`` how later payloads are written."""
        if isinstance(event, Configuration):
            self.capabilities = event.body.capabilities
            for subsection in event.body.subsections:
                if isinstance(subsection, TargetPageBits) and MIN_PAGE_BITS <= subsection.bits <= MAX_PAGE_BITS:
                    self.page_size = 1 << subsection.bits
        elif isinstance(event, Command) and isinstance(event.payload, PostcopyAdvise):
            self.postcopy = event.payload.ram

    def __call__(self, header: SectionHeader) -> Decoder | None:
        if header.idstr == "ram":
            return self._ram(header)
        if header.idstr.endswith(IDSTR_SUFFIX):
            return self._iterative(header)
        resolver = section.resolver(header.idstr, header.version_id)
        return DeviceDecoder(resolver, self.engine) if resolver is not None else None

    def _ram(self, header: SectionHeader) -> Decoder:
        if header.version_id != RAM_VERSION:
            raise StreamError(
                f"savevm: unsupported version {header.version_id} for 'ram' v{RAM_VERSION}",
                expected=RAM_VERSION,
                got=header.version_id,
                code="version",
            )
        grammar = Grammar(self.page_size, "x-ignore-shared" in self.capabilities, self.postcopy)
        if "mapped-ram" in self.capabilities:
            return MappedRamDecoder(grammar)
        return RamDecoder(grammar, stable=self.stable)

    def _iterative(self, header: SectionHeader) -> Decoder | None:
        device = header.idstr.removesuffix(IDSTR_SUFFIX)
        resolver = section.resolver(device, VM_VERSION) if section.device_of(device) == "virtio-net" else None
        if resolver is None:
            return None
        if header.version_id > SECTION_VERSION:
            raise StreamError(
                f"savevm: unsupported version {header.version_id} for '{header.idstr}' v{SECTION_VERSION}",
                expected=f"at most {SECTION_VERSION}",
                got=header.version_id,
                code="version",
            )
        return IterativeDecoder(resolver, self.engine)
