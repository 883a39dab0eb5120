"""The input of a verb: a path or stdin, opened once, its kind told by its first bytes.

Knows files and containers; the loaders below do the reading.
"""

from __future__ import annotations

import mmap
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from vnetmig.document.large import gathered
from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.container import Container, open_container

_SIDE = framing.MULTIFD_MAGIC.to_bytes(4, "big")

Input = str | bytes
"""What `vnetmig.load` takes: a path, or the bytes that came on stdin."""


def open_input(path: str) -> Input:
    """The path of a plain file; what cannot be read twice (``-`` for stdin, a pipe, a device) is read to its end."""
    if path == "-":
        return sys.stdin.buffer.read()
    if stat.S_ISREG(os.stat(path).st_mode):
        return path
    with open(path, "rb") as file:
        return file.read()


def side_channel(source: Input) -> Iterator[bytes] | None:
    """The bytes of a multifd side channel, unpacked; None when ``source`` is anything else."""
    if isinstance(source, bytes):
        return _channel(open_container(source))
    file = open(source, "rb")  # noqa: SIM115 the pieces are read later, and close it
    try:
        chunks = _channel(open_container(file))
    except BaseException:
        file.close()
        raise
    if chunks is None:
        file.close()
        return None
    return _closing(file, chunks)


def _closing(file: IO[bytes], chunks: Iterator[bytes]) -> Iterator[bytes]:
    with file:
        yield from chunks


def _channel(container: Container) -> Iterator[bytes] | None:
    first = next(container.chunks, b"")
    return _chained(first, container.chunks) if first.startswith(_SIDE) else None


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


@contextmanager
def unpacked(source: Input) -> Iterator[Iterator[bytes]]:
    """The bytes of the stream, out of what wraps it, as they came."""
    if isinstance(source, bytes):
        yield open_container(source).chunks
        return
    with open(source, "rb") as file:
        yield open_container(file).chunks


def whole(source: Input) -> bytes | mmap.mmap:
    """The stream at once, out of what wraps it, as far as that can be taken off; a plain file is mapped, not read."""
    if isinstance(source, str):
        with open(source, "rb") as file:
            if file.read(4) == framing.FILE_MAGIC.to_bytes(4, "big"):
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with unpacked(source) as chunks:
        read = gathered(_up_to_the_damage(chunks))
    return read if isinstance(read, bytes) else read[0]


def _up_to_the_damage(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except StreamError:  # the loader has met it too, and says so
        return
