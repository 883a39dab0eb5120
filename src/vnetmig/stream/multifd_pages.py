"""The guest pages that multifd packets carry, decompressed.

Knows the compressions and what one packet leaves behind for the next: zlib and zstd are one stream per
channel, so a `ChannelPages` must see every packet of its channel, in order. Does not know how packets
are cut (multifd.py). Never inflates more than the pages a packet says it has.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from vnetmig.errors import StreamError
from vnetmig.stream.multifd import COMPRESSION, NONE, QATZIP, QPL, UADK, ZLIB, Packet, PagesPacket
from vnetmig.stream.ram_words import PAGE_SIZE

MAX_ZSTD_WINDOW_LOG = 27
"""Memory of a zstd decompressor, as a power of two: 128 MiB, above every level that QEMU offers."""

_ZSTD_SLICE = 256
"""A block of four bytes can make 128 KiB: so few at a time bound what is made before it is counted."""

_RAW_DEFLATE, _ZLIB_FORMAT, _GZIP_FORMAT = -15, 15, 31

ZstdStep = Callable[[bytes], bytes]
"""Feeds some bytes to a zstd stream and returns all that comes out."""


class _Inflater(Protocol):
    def inflate(self, data: bytes, size: int) -> bytes: ...


class ChannelPages:
    """Gets the pages out of the packets of one channel."""

    def __init__(self, page_size: int = PAGE_SIZE) -> None:
        self.page_size = page_size
        self._zero = bytes(page_size)
        self._stream: tuple[int, _Inflater] | None = None

    def pages(self, packet: Packet) -> Iterator[tuple[str, int, bytes]]:
        """(block, address in it, content) of the packet's pages, zero pages included."""
        if not isinstance(packet, PagesPacket):
            return
        block = packet.block
        size = self.page_size
        content = self._content(packet) if packet.normal else b""
        for index in range(packet.normal):
            yield block, packet.offsets[index], content[index * size : (index + 1) * size]
        for offset in packet.offsets[packet.normal : packet.normal + packet.zero]:
            yield block, offset, self._zero

    def _content(self, packet: PagesPacket) -> bytes:
        method = packet.flags & COMPRESSION
        expected = packet.normal * self.page_size
        try:
            if method == NONE:
                content = packet.data
            elif method in (QPL, UADK):
                content = self._page_by_page(packet, _RAW_DEFLATE if method == QPL else _ZLIB_FORMAT)
            elif method == QATZIP:
                content = _gunzip(packet.data, expected)
            else:
                content = self._inflater(method).inflate(packet.data, expected)
        except zlib.error as error:
            raise _fault(packet, "data that inflates", error) from None
        if len(content) != expected:
            raise _fault(packet, f"{expected} bytes", f"{len(content)} bytes")
        return content

    def _page_by_page(self, packet: PagesPacket, wbits: int) -> bytes:
        pages = []
        at = 0
        for length in packet.lengths:
            data = packet.data[at : at + length]
            at += length
            if length != self.page_size:
                data = zlib.decompressobj(wbits).decompress(data, self.page_size + 1)
                if len(data) != self.page_size:
                    raise _fault(packet, f"{self.page_size} bytes", f"{len(data)} bytes")
            pages.append(data)
        return b"".join(pages)

    def _inflater(self, method: int) -> _Inflater:
        if self._stream is None or self._stream[0] != method:
            self._stream = (method, _ZlibStream() if method == ZLIB else _ZstdStream(_zstd_step()))
        return self._stream[1]


class _ZlibStream:
    def __init__(self) -> None:
        self._inflater = zlib.decompressobj()

    def inflate(self, data: bytes, size: int) -> bytes:
        # One byte more than expected: too much is seen as such, and all of ``data`` is taken otherwise.
        return self._inflater.decompress(data, size + 1)


class _ZstdStream:
    def __init__(self, step: ZstdStep) -> None:
        self._step = step

    def inflate(self, data: bytes, size: int) -> bytes:
        out = bytearray()
        for at in range(0, len(data), _ZSTD_SLICE):
            out += self._step(data[at : at + _ZSTD_SLICE])
            if len(out) > size:
                break
        return bytes(out)


def _zstd_step() -> ZstdStep:
    """A new zstd stream, by the module of Python 3.14 or by zstandard; errors come as zlib's do."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return _zstandard_step()
    options = {zstd.DecompressionParameter.window_log_max: MAX_ZSTD_WINDOW_LOG}
    decompressor = zstd.ZstdDecompressor(options=options)

    def step(data: bytes) -> bytes:
        try:
            return bytes(decompressor.decompress(data))
        except (zstd.ZstdError, EOFError) as error:
            raise zlib.error(str(error)) from None

    return step


def _zstandard_step() -> ZstdStep:
    try:
        import zstandard
    except ImportError:
        raise StreamError(
            "multifd: cannot decompress zstd pages",
            expected="the zstandard package (or Python 3.14)",
            hint="pip install zstandard",
            code="unsupported",
        ) from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << MAX_ZSTD_WINDOW_LOG).decompressobj()

    def step(data: bytes) -> bytes:
        try:
            return bytes(decompressor.decompress(data))
        except zstandard.ZstdError as error:
            raise zlib.error(str(error)) from None

    return step


def _gunzip(data: bytes, size: int) -> bytes:
    """gzip members one after another, as QATzip writes them."""
    out = bytearray()
    while data and len(out) <= size:
        inflater = zlib.decompressobj(_GZIP_FORMAT)
        out += inflater.decompress(data, size + 1 - len(out))
        if not inflater.eof:
            break
        data = inflater.unused_data
    return bytes(out)


def _fault(packet: PagesPacket, expected: object, got: object) -> StreamError:
    return StreamError(
        "multifd: packet size received wrong after decompression",
        section="multifd",
        field=f"{packet.block}, packet {packet.packet_num}",
        expected=expected,
        got=got,
    )
