"""Which decoder reads which section: where framing, RAM and devices meet.

Knows idstrs and what earlier events say about the grammar of later payloads (capabilities, POSTCOPY_ADVISE), and what
third parties registered. It is handed to the reader, so that framing and devices never import each other.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache

from vnetmig.errors import StreamError
from vnetmig.migration import delta_handlers, preheat_handlers, registration
from vnetmig.migration.capabilities import DELTA, EARLY, USED_QUEUES
from vnetmig.migration.handlers import HasDecoder
from vnetmig.stream import framing, holes
from vnetmig.stream.commands import PostcopyAdvise
from vnetmig.stream.configuration import TargetPageBits
from vnetmig.stream.device_state import DeviceDecoder
from vnetmig.stream.events import Command, Configuration, Event
from vnetmig.stream.holes import Holes
from vnetmig.stream.iterative import IDSTR_SUFFIX, SECTION_VERSION, IterativeDecoder
from vnetmig.stream.mapped_ram import MappedRamDecoder
from vnetmig.stream.payload import Decoder, SectionHeader
from vnetmig.stream.ram import Grammar, RamDecoder
from vnetmig.stream.ram_words import PAGE_SIZE
from vnetmig.stream.tentative import FrameDecoder
from vnetmig.virtio import section
from vnetmig.virtio.net import VM_VERSION

RAM_VERSION = 4

EARLY_SUFFIX = "-early"
"""What the second RFC's early section adds to the device's idstr."""

FRAME_SUFFIXES = (delta_handlers.IDSTR_SUFFIX, preheat_handlers.SUFFIX)
"""Staged sections whose payload is one frame."""

MIN_PAGE_BITS, MAX_PAGE_BITS = 10, 24
"""Targets use 1 KiB to 64 KiB; flags take the lowest ten bits of a word."""


def is_framed(capabilities: Container[str], idstr: str) -> bool:
    """Does this device's FULL section hold a frame? That follows from what was announced, not from its bytes: a guest
    could write those.

    >>> is_framed(("x-vnetmig-delta-1",), "0000:00:03.0/virtio-net"), is_framed((), "0000:00:03.0/virtio-net")
    (True, False)
    """
    device = section.device_of(idstr)
    if device is None:
        return False
    return USED_QUEUES in capabilities or (device == "virtio-net" and (DELTA in capabilities or EARLY in capabilities))


def stateful(idstr: str, version: int) -> tuple[str, int]:
    """(idstr, version) of the device whose state a frame in the section called ``idstr`` holds.

    >>> stateful("0000:00:03.0/virtio-net-delta", 1)
    ('0000:00:03.0/virtio-net', 11)
    """
    if idstr.endswith(delta_handlers.IDSTR_SUFFIX):
        return idstr.removesuffix(delta_handlers.IDSTR_SUFFIX), VM_VERSION
    return idstr.removesuffix(preheat_handlers.SUFFIX), version


@lru_cache(maxsize=1024)
def _is_foreign(idstr: str) -> bool:
    """Does nothing in this package describe the FULL section of this name, whatever the stream announced but early
    sections?"""
    return idstr != "ram" and not idstr.endswith(IDSTR_SUFFIX) and section.device_of(idstr) is None


class Decoders:
    """Chooses decoders by header. ``observe`` every event, so that it knows what the stream announced.

    ``page_size``: the target's, from a vmdescription located beforehand; without it the stream's own word counts, or
    else x86's (only RAM words depend on it). ``stable``: the bytes fed to the reader stay (a mapped file), so RAM
    chunks may keep views of them. ``empty``: where they are known to be zero.
    """

    def __init__(
        self,
        engine: str | None = None,
        *,
        page_size: int | None = None,
        stable: bool = False,
        empty: Holes = holes.NONE,
    ) -> None:
        self.engine = engine
        self.page_size = page_size or PAGE_SIZE
        self.stable = stable
        self.empty = empty
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
        full = header.type == framing.SECTION_FULL
        if full and _is_foreign(header.idstr) and EARLY not in self.capabilities:  # most sections of most streams
            return self._registered(header.idstr, header.version_id)
        if header.idstr == "ram":
            return self._ram(header)
        if header.idstr.endswith(IDSTR_SUFFIX):
            return self._iterative(header)
        if self._is_frame(header):
            if header.idstr.endswith(delta_handlers.IDSTR_SUFFIX):
                newest = delta_handlers.SECTION_VERSION
                _check_version(header, header.version_id <= newest, newest)
            return FrameDecoder()
        entry = None if full else registration.live().find(header.idstr, header.instance_id)
        if entry is not None:
            own: object = entry.handlers
            if isinstance(own, HasDecoder):
                return own.decoder(header)
        idstr = header.idstr
        if full and EARLY in self.capabilities:
            idstr = idstr.removesuffix(EARLY_SUFFIX)
        resolver = section.resolver(idstr, header.version_id)
        if resolver is None and full:
            return self._registered(idstr, header.version_id)
        return DeviceDecoder(resolver, self.engine) if resolver is not None else None

    def _registered(self, idstr: str, version: int) -> Decoder | None:
        resolver = registration.resolver(idstr, version)
        return DeviceDecoder(resolver, self.engine) if resolver is not None else None

    def _is_frame(self, header: SectionHeader) -> bool:
        if header.type == framing.SECTION_FULL:
            return is_framed(self.capabilities, header.idstr)
        return header.idstr.endswith(FRAME_SUFFIXES) or header.idstr == preheat_handlers.DESCRIPTION

    def _ram(self, header: SectionHeader) -> Decoder:
        _check_version(header, header.version_id == RAM_VERSION, RAM_VERSION)
        grammar = Grammar(self.page_size, "x-ignore-shared" in self.capabilities, self.postcopy)
        if "mapped-ram" in self.capabilities:
            return MappedRamDecoder(grammar, empty=self.empty, stable=self.stable)
        return RamDecoder(grammar, stable=self.stable, engine=self.engine)

    def _iterative(self, header: SectionHeader) -> Decoder | None:
        device = header.idstr.removesuffix(IDSTR_SUFFIX)
        resolver = section.resolver(device, VM_VERSION) if section.device_of(device) == "virtio-net" else None
        if resolver is None:
            return None
        _check_version(header, header.version_id <= SECTION_VERSION, SECTION_VERSION)
        return IterativeDecoder(resolver, self.engine)


def _check_version(header: SectionHeader, fits: bool, newest: int) -> None:
    if not fits:
        raise StreamError(
            f"savevm: unsupported version {header.version_id} for '{header.idstr}' v{newest}",
            expected=f"at most {newest}",
            got=header.version_id,
            code="version",
        )
