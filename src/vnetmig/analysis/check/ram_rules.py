"""What a destination checks of guest memory as it comes: the list of blocks, and the word in front of each page.

Knows qemu: migration/ram.c:ram_load_precopy, parse_ramblocks and system/physmem.c:qemu_ram_resize, release by release.
Reads bytes, because what QEMU takes for a word is not what our reader makes of it. Looks at one section at a time: the
first, and the one in which reading ended.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from vnetmig.analysis.check.stream_rules import RAM_VERSION, footer
from vnetmig.analysis.check.trouble import Level, Said, Trouble
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release
from vnetmig.document.section import Section
from vnetmig.document.stream import Buffer, Stream

PAGE = 4096
HOST_PAGE = 4096

ADDRESS_CHECKED = "9.0"
"""Since then a word that did not come is told, and a page of one byte must be one of zeros."""

COMPRESSION_ENDED = "9.1"
HOOK_IGNORED = "8.2"
"""Since then a hook of RDMA's on another transport is passed over."""
FLUSH = "8.1"
"""Since then there is a word for flushing multifd channels."""

ZERO, MEM_SIZE, PAGE_FLAG, EOS, CONTINUE = 0x02, 0x04, 0x08, 0x10, 0x20
XBZRLE, HOOK, COMPRESS, MULTIFD_FLUSH = 0x40, 0x80, 0x100, 0x200

_FIRMWARE = re.compile(
    r"/rom@|/objects/|pc\.(bios|rom)$|isa-bios$|vga\.|system\.flash|[0-9a-f]{4}:[0-9a-f]{2}:|.*\.rom$"
)
"""Blocks that a machine has beside its RAM."""

_SIZES = {"pc.rom": 0x20000}
"""Of blocks that have the same size in every machine."""


class _Refused(Exception):
    def __init__(self, rule: str | None, values: Mapping[str, object], *more: Said, code: int = errno.EINVAL) -> None:
        super().__init__(rule)
        self.rule = rule
        self.values = values
        self.more = more
        self.code = code


@dataclass(slots=True)
class _Loader:
    """Reads ``data`` from ``at`` on; behind the end are zeros, and ``over`` is set."""

    data: Buffer
    at: int
    release: Release
    sizes: dict[str, int]  #: of the blocks here, as far as they are known
    ram: Mapping[str, int]  #: the profile's
    over: bool = False
    block: str | None = None
    listed: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Up to the word that ends the section. Raises _Refused."""
        flags = 0
        while not flags & EOS:
            word = self._number(8)
            if self.over and self.release.since(ADDRESS_CHECKED):
                raise _Refused("ram-address", {}, code=errno.EIO)
            flags, address = word % PAGE, word - word % PAGE
            if flags & COMPRESS and not self.release.since(COMPRESSION_ENDED):
                raise _Refused("ram-compressed", {})
            if flags & (ZERO | PAGE_FLAG | XBZRLE):
                self._find(flags, address)
            handler = _WORDS.get(flags & ~CONTINUE)
            if handler is None:
                if flags & HOOK and not self.release.since(HOOK_IGNORED):
                    raise _Refused(None, {})
                raise _Refused("ram-flags", {"flags": flags})
            handler(self, address)
            if self.over:
                raise _Refused(None, {}, code=errno.EIO)

    def _find(self, flags: int, address: int) -> None:
        """The block that a page belongs to, and whether the page is in it."""
        illegal: Said = ("ram-offset", {"address": address})
        if not flags & CONTINUE:
            self.block = self._name()
            if self.block not in self.sizes:
                name, self.block = self.block, None
                raise _Refused("ram-block-lost", {"block": name}, illegal)
        if self.block is None:
            raise _Refused("ram-block-none", {}, illegal)
        if address >= self.sizes[self.block]:
            raise _Refused(*illegal)

    def _name(self) -> str:
        return self._take(self._number(1)).partition(b"\0")[0].decode("utf-8", "replace")

    def _blocks(self, total: int) -> None:
        while total:
            name, length = self._name(), self._number(8)
            local = self.ram.get(name, _SIZES.get(name))
            if not name or self._is_foreign(name):
                raise _Refused("ram-block-unknown", {"block": name})
            if local is not None and length != local:
                aligned = -(-length // HOST_PAGE) * HOST_PAGE
                if aligned != local:
                    raise _Refused("ram-size", {"block": name, "stream": aligned, "local": local})
            self.sizes.setdefault(name, length)
            self.listed.append(name)
            if self.over:
                return
            total = (total - length) % (1 << 64)

    def _is_foreign(self, name: str) -> bool:
        """Is it where the machine's own RAM should be, which has another name here?"""
        if name in self.ram or _FIRMWARE.match(name) or len(self.ram) != 1:
            return False
        return not self.listed

    def _zero(self, address: int) -> None:
        fill = self._number(1)
        if fill and self.release.since(ADDRESS_CHECKED):
            raise _Refused("ram-zero-page", {"value": fill})

    def _page(self, address: int) -> None:
        self._skip(PAGE)

    def _xbzrle(self, address: int) -> None:
        mark, length = self._number(1), self._number(2)
        failed: Said = ("ram-xbzrle", {"address": address})
        if mark != 1:
            raise _Refused("ram-xbzrle-page", {"what": "wrong compression"}, failed)
        if length > PAGE:
            raise _Refused("ram-xbzrle-page", {"what": "len overflow"}, failed)
        self._skip(length)

    def _pass(self, address: int) -> None:
        """Nothing to read."""

    def _hook(self, address: int) -> None:
        if not self.release.since(HOOK_IGNORED):
            raise _Refused(None, {})

    def _flush(self, address: int) -> None:
        if not self.release.since(FLUSH):
            raise _Refused("ram-flags", {"flags": MULTIFD_FLUSH})

    def _number(self, width: int) -> int:
        return int.from_bytes(self._take(width).ljust(width, b"\0"), "big")

    def _take(self, count: int) -> bytes:
        taken = bytes(self.data[self.at : self.at + count])
        self._skip(count)
        return taken

    def _skip(self, count: int) -> None:
        self.at += count
        self.over = self.over or self.at > len(self.data)


_WORDS: dict[int, Callable[[_Loader, int], None]] = {
    MEM_SIZE: _Loader._blocks,
    ZERO: _Loader._zero,
    PAGE_FLAG: _Loader._page,
    XBZRLE: _Loader._xbzrle,
    EOS: _Loader._pass,
    HOOK: _Loader._hook,
    MULTIFD_FLUSH: _Loader._flush,
}


def version(found: int, at: int, release: Release) -> Trouble | None:
    """There is one version of guest memory."""
    if found > RAM_VERSION:
        signed = found - (1 << 32) if found >> 31 else found
        values: dict[str, object] = {"version": signed, "idstr": "ram", "local": RAM_VERSION}
        return Trouble("unsupported-version", values, offset=at, level=Level.STREAM, stops=True)
    if found < RAM_VERSION:
        values = {"version": found, "code": -errno.EINVAL}
        return Trouble("ram-version", values, offset=at, idstr="ram", level=Level.SECTION, stops=True)
    return None


def start(stream: Stream, section: Section, profile: Profile) -> Iterator[Trouble]:
    """Of the section that begins guest memory: the blocks, and whether it ends where it should. One of another version
    is not read at all."""
    if not stream.context.is_elsewhere and "mapped-ram" not in stream.capabilities:
        yield from _loaded(stream, section, profile, dict(profile.ram))


def rest(stream: Stream, section: Section, profile: Profile) -> Iterator[Trouble]:
    """Of a later section of guest memory, in which reading ended."""
    sizes = dict(profile.ram)
    first = next((one for one in stream.sections if one.idstr == section.idstr), section)
    if first is not section:
        loader = _Loader(stream.input, first.payload_span[0], profile.qemu, sizes, profile.ram)
        try:
            loader.run()
        except _Refused:
            return
    yield from _loaded(stream, section, profile, sizes)


def _loaded(stream: Stream, section: Section, profile: Profile, sizes: dict[str, int]) -> Iterator[Trouble]:
    loader = _Loader(stream.input, section.payload_span[0], profile.qemu, sizes, profile.ram)
    try:
        loader.run()
    except _Refused as refused:
        is_start = section.type == "start"
        yield Trouble(
            refused.rule or "ram-failed",
            refused.values,
            offset=loader.at,
            code=refused.code,
            more=refused.more,
            detail=("ram-version", {"version": section.version_id, "code": -refused.code}),
            level=Level.SECTION if is_start else Level.STREAM,
            part=None if is_start else section.section_id,
            stops=True,
        )
        return
    mark = bytes(stream.input[loader.at : loader.at + 5])
    missing = footer(mark, section.idstr, section.section_id, loader.at)
    if missing is not None:
        yield missing
