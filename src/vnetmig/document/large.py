"""Streams that are too large to be read into memory: mapped files, and what is unpacked into a file without a name.

Knows files and their holes; knows no stream.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from typing import IO

from vnetmig.stream import framing
from vnetmig.stream.holes import Holes

MAPPED_FROM = 8 << 20
"""Bytes from which on a file is mapped: below, copying costs less than the page faults of looking at a mapping."""

KEPT_MAX = 64 << 20
"""Bytes that are unpacked into memory; more go into a file: a small file may unpack to any number of them."""

HOLES_MAX = 1 << 16
"""Holes that are looked for. A file has as many as somebody likes to make; what is not found is read."""

LET_GO = 8 << 20
"""Bytes of a mapping after which what was read is let go: a page of a file that was looked at counts as the process's
memory, and a stream has as many as the guest. A multiple of every page size."""

_MAGIC = framing.FILE_MAGIC.to_bytes(4, "big")
_PIECE = 1 << 16
"""Zeros of this size become a hole."""
_ZEROS = bytes(_PIECE)


def mapped(file: IO[bytes]) -> tuple[mmap.mmap, Holes]:
    """The whole file, and where nothing is in it."""
    number = file.fileno()
    return mmap.mmap(number, 0, access=mmap.ACCESS_READ), Holes(_holes(number))


def _holes(number: int) -> Iterator[tuple[int, int]]:
    if not hasattr(os, "SEEK_HOLE"):
        return
    end = os.fstat(number).st_size
    at = 0
    try:
        for _ in range(HOLES_MAX):
            start = os.lseek(number, at, os.SEEK_HOLE)
            if start >= end:
                return
            try:
                at = os.lseek(number, start, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # ENXIO: nothing up to the end
                    raise
                at = end
            yield start, at
    except OSError:  # a file system that cannot tell
        return


def let_go(data: mmap.mmap, start: int, end: int) -> int:
    """Unmap whole pages; who looks again gets them again, from the file. Returns where they end."""
    end -= end % LET_GO
    if hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED, start, end - start)
    return end


def gathered(chunks: Iterator[bytes]) -> bytes | tuple[mmap.mmap, Holes]:
    """All that ``chunks`` give: in memory up to KEPT_MAX, behind that in a file without a name, zeros as holes.

    What does not begin as a stream is not unpacked any further: its first bytes are what a reader will say so of.
    Raises OSError (with the folder's name) when there is no room for the file.
    """
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        if size >= len(_MAGIC) and not _begins(kept):
            break
        if size > KEPT_MAX:
            return _spooled(kept, chunks)
    return b"".join(kept)


def _begins(kept: list[bytes]) -> bool:
    start = kept[0] if len(kept[0]) >= len(_MAGIC) else b"".join(kept[: len(_MAGIC)])
    return start[: len(_MAGIC)] == _MAGIC


def _spooled(kept: list[bytes], chunks: Iterator[bytes]) -> tuple[mmap.mmap, Holes]:
    import tempfile  # seldom, and it brings random numbers and hashes

    with tempfile.TemporaryFile() as file:
        size = 0
        try:
            while kept:
                size += _put(file, kept.pop(0))
            for chunk in chunks:
                size += _put(file, chunk)
            file.truncate(size)  # the last bytes may be a hole
            file.flush()
        except OSError as error:
            raise OSError(error.errno, f"no room to unpack into: {error.strerror}", tempfile.gettempdir()) from error
        return mapped(file)


def _put(file: IO[bytes], chunk: bytes) -> int:
    """Write ``chunk``, but for its zeros; returns its length."""
    for at in range(0, len(chunk), _PIECE):
        piece = chunk[at : at + _PIECE]
        if piece == _ZEROS:
            file.seek(_PIECE, os.SEEK_CUR)
        else:
            file.write(piece)
    return len(chunk)
