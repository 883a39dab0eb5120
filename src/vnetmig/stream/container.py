"""What a stream comes wrapped in: compressed files and libvirt's save images, in any order.

Knows how to take the wrappers off one after the other. Must not know the stream in them, and opens no files:
it reads forwards from bytes or a binary file, and hands the stream on in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.stream import compression, libvirt
from vnetmig.stream.compression import EXPANDED_MAX, Compression
from vnetmig.stream.libvirt import LibvirtImage
from vnetmig.stream.source import Readable, Source

WRAPPERS_MAX: Final = 4
"""A libvirt image holding a compressed stream, itself compressed, is three; an endless onion is an attack."""
_MAGIC_MAX: Final = max(compression.MAGIC_MAX, len(libvirt.MAGIC))

Wrapper = Compression | LibvirtImage


@dataclass(frozen=True, slots=True)
class Container:
    """A stream and what was around it, from the outside in."""

    wrappers: tuple[Wrapper, ...]
    chunks: Iterator[bytes]
    """The stream itself. Raises StreamError (offset in the wrapper) when a wrapper is damaged."""
    base: int | None
    """Where the stream begins in the file, or None inside a compressed one: mapped-ram counts from the file's
    begin, not from its own (qemu: migration/file.c)."""

    @property
    def image(self) -> LibvirtImage | None:
        """The libvirt header, if there is one."""
        for wrapper in self.wrappers:
            if isinstance(wrapper, LibvirtImage):
                return wrapper
        return None


def open_container(data: bytes | bytearray | memoryview | Readable, limit: int = EXPANDED_MAX) -> Container:
    """Take all wrappers off ``data``. ``limit``: bytes that compressed data may unpack to."""
    source = Source.of(data)
    wrappers: list[Wrapper] = []
    packed = False
    while (wrapper := _next_wrapper(source)) is not None:
        wrappers.append(wrapper)
        if len(wrappers) > WRAPPERS_MAX:
            raise StreamError(
                "Too many wrappers around the stream",
                offset=source.offset,
                expected=f"at most {WRAPPERS_MAX}",
                code="limit",
            )
        if isinstance(wrapper, Compression):
            packed = True
            source = Source(compression.unpack(source, wrapper, limit))
    return Container(tuple(wrappers), _rest(source), None if packed else source.offset)


def _next_wrapper(source: Source) -> Wrapper | None:
    start = source.peek(_MAGIC_MAX)
    if start.startswith((libvirt.MAGIC, libvirt.MAGIC_PARTIAL)):
        return libvirt.read_image(source)
    return compression.recognise(start)


def _rest(source: Source) -> Iterator[bytes]:
    while chunk := source.read_some():
        yield chunk
