"""The input of a verb: a path or stdin, opened once, its kind told by its first bytes.

Knows files and containers; the loaders below do the reading.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vnetmig.report.side_channel import MAGIC
from vnetmig.stream.container import Container, open_container

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
    with open(source, "rb") as file:
        chunks = _channel(open_container(file))
        return None if chunks is None else iter(list(chunks))


def _channel(container: Container) -> Iterator[bytes] | None:
    first = next(container.chunks, b"")
    return _chained(first, container.chunks) if first.startswith(MAGIC) else None


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
