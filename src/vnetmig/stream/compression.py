"""Compressed files around a stream: told apart by their magic, unpacked in bounded pieces.

Knows xz, gzip, bzip2, zstd and lzop by name, and how to unpack the first four. Must not know what is in
them. Modules are imported when a file needs them; zstd is part of Python 3.14, before that of the optional
package ``zstandard``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vnetmig.errors import StreamError
from vnetmig.stream.source import Source

PIECE: Final = 1 << 20
"""Bytes unpacked at a time, at most, where the library can be told."""
FEED: Final = 1 << 16
FEED_UNBOUNDED: Final = 1 << 10
"""Bytes given at a time to a library that cannot be told: one zstd block of 4 bytes gives at most 128 KiB, so
the pieces stay below 32 MiB."""
EXPANDED_MAX: Final = 64 << 30
"""Bytes that a compressed file may unpack to: a decompression bomb must end somewhere."""
XZ_MEMORY_MAX: Final = 256 << 20
"""Memory an .xz file may ask for; ``xz -9`` needs 65 MiB."""


class Compression(enum.Enum):
    XZ = "xz"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    ZSTD = "zstd"
    LZOP = "lzop"


MAGICS: Final[dict[Compression, bytes]] = {
    Compression.XZ: b"\xfd7zXZ\x00",
    Compression.GZIP: b"\x1f\x8b\x08",
    Compression.BZIP2: b"BZh",
    Compression.ZSTD: b"\x28\xb5\x2f\xfd",
    Compression.LZOP: b"\x89LZO\x00\r\n\x1a\n",
}
MAGIC_MAX: Final = max(map(len, MAGICS.values()))


def recognise(start: bytes) -> Compression | None:
    for compression, magic in MAGICS.items():
        if start.startswith(magic):
            return compression
    return None


class _Unpacker(Protocol):
    """What lzma, bz2 and compression.zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Zlib:
    """zlib under the interface of the others: what did not fit the output is kept here."""

    def __init__(self) -> None:
        import zlib

        self._inner = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._full = False
        """The last piece was as long as it may be, so there may be more of it inside."""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._full

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max(0, max_length))
        self._full = len(piece) == max_length
        return piece


class _Zstandard:
    """The package ``zstandard`` under the interface of the others."""

    def __init__(self, module: Any) -> None:
        self._inner = module.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return True

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return bytes(self._inner.decompress(data))


@dataclass(frozen=True, slots=True)
class _Library:
    new: Callable[[], _Unpacker]
    errors: tuple[type[Exception], ...]
    feed: int = FEED


def _xz() -> _Library:
    import lzma

    return _Library(
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_MAX), (lzma.LZMAError, MemoryError)
    )


def _gzip() -> _Library:
    import zlib

    return _Library(_Zlib, (zlib.error,))


def _bzip2() -> _Library:
    import bz2

    return _Library(bz2.BZ2Decompressor, (OSError, ValueError))


def _zstd() -> _Library:
    import importlib

    try:
        builtin = importlib.import_module("compression.zstd")
    except ImportError:
        pass
    else:
        return _Library(builtin.ZstdDecompressor, (builtin.ZstdError,))
    try:
        package = importlib.import_module("zstandard")
    except ImportError:
        raise StreamError(
            "This is a zstd file, and nothing here can unpack zstd",
            got="zstd",
            hint="pip install zstandard, or use Python 3.14, or unpack it first: zstd -d FILE",
            code="unsupported",
        ) from None
    return _Library(lambda: _Zstandard(package), (package.ZstdError,), FEED_UNBOUNDED)


def _lzop() -> _Library:
    raise StreamError(
        "This is an lzop file, which vnetmig does not unpack",
        got="lzop",
        hint="unpack it first: lzop -d FILE",
        code="unsupported",
    )


_LIBRARIES: Final[dict[Compression, Callable[[], _Library]]] = {
    Compression.XZ: _xz,
    Compression.GZIP: _gzip,
    Compression.BZIP2: _bzip2,
    Compression.ZSTD: _zstd,
    Compression.LZOP: _lzop,
}


def unpack(source: Source, compression: Compression, limit: int = EXPANDED_MAX) -> Iterator[bytes]:
    """The unpacked bytes of ``source``, piece by piece. Raises StreamError, also for a missing library."""
    library = _LIBRARIES[compression]()
    return _pieces(source, compression, library, limit)


def _pieces(source: Source, compression: Compression, library: _Library, limit: int) -> Iterator[bytes]:
    total = 0
    while True:
        unpacker = library.new()
        while not unpacker.eof:
            piece = _piece(source, compression, library, unpacker)
            total += len(piece)
            if total > limit:
                raise _fault(source, compression, "unpacks to too much", f"at most {limit} bytes", "more", "limit")
            if piece:
                yield piece
        source.give_back(unpacker.unused_data)
        if not _another(source, compression):
            return


def _piece(source: Source, compression: Compression, library: _Library, unpacker: _Unpacker) -> bytes:
    data = b""
    if unpacker.needs_input:
        data = source.read(library.feed)
        if not data:
            raise _fault(source, compression, "ends too early", "more bytes", "the end", "truncated")
    try:
        return unpacker.decompress(data, PIECE)
    except library.errors as error:
        raise _fault(source, compression, "is damaged", "valid data", str(error), "malformed") from None


def _another(source: Source, compression: Compression) -> bool:
    """Is there one more member behind this one? Padding with zeros is skipped."""
    while start := source.peek(FEED):
        padding = len(start) - len(start.lstrip(b"\0"))
        if padding == 0:
            break
        source.read(padding)
    if not start:
        return False
    if start.startswith(MAGICS[compression]):
        return True
    raise _fault(source, compression, "goes on with something else", "the end", start[:MAGIC_MAX].hex(" "), "malformed")


def _fault(source: Source, compression: Compression, what: str, expected: str, got: str, code: str) -> StreamError:
    return StreamError(
        f"The {compression.value} data {what}", offset=source.offset, expected=expected, got=got, code=code
    )
