"""Opening a stream: from a path, bytes or a file, out of whatever wraps it, into a document.

Knows files and containers; what stands in the stream is the reader's business.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import IO

from vnetmig.document.incoming import Incoming
from vnetmig.document.stream import Stream
from vnetmig.errors import StreamError
from vnetmig.stream import framing, vmdescription
from vnetmig.stream.container import Container, open_container
from vnetmig.stream.guest_memory import MemorySource, load_memory
from vnetmig.stream.vmdescription import Description

MAPPED_FROM = 8 << 20
"""Bytes from which on a file is mapped: below, copying costs less than the page faults of looking at a mapping."""

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
Progress = Callable[[int, int], None]

_STEPS_BETWEEN_REPORTS = 64

_LET_GO = 8 << 20
"""Bytes of a mapping after which what was read is let go: a page of a file that was looked at counts as the process's
memory, and a stream has as many as the guest. A multiple of every page size."""


def load(
    source: Source,
    *,
    memory: MemorySource | None = None,
    partial: bool = False,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Stream:
    """Read a migration stream.

    ``source``: a path, bytes or a binary file; compressed (.xz, .gz, .zst), libvirt save images and mapped-ram files
    are recognised by content. ``memory``: guest pages for the ring rules (JSON {address: base64}, a RAM file, a
    mapping); without it the stream's own RAM serves, if it has any. ``progress(done, total)`` is called as it reads.

    Raises StreamError where the stream is broken; ``error.stream`` holds all that was read. With ``partial`` no error
    is raised: it is in ``Stream.error``.

    >>> import vnetmig
    >>> vnetmig.load(b"QEVX", partial=True).error.message
    'Not a migration stream'
    """
    stream = Stream(engine)
    try:
        data = stream.input = _open(source, stream)
        _read(data, stream, progress)
    except StreamError as error:
        stream.stop(error)
    if memory is not None:  # of a broken stream too: what stands before the fault can be checked
        stream.memory = load_memory(memory, stream.machine or "pc")
    if stream.error is not None and not partial:
        raise stream.error
    return stream


def _open(source: Source, stream: Stream) -> bytes | mmap.mmap:
    """The bytes of the stream itself."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            return _open_file(file, stream)
    if isinstance(source, bytes | bytearray | memoryview):
        if source[:4] == framing.FILE_MAGIC.to_bytes(4, "big"):
            return bytes(source)  # no copy of what is bytes already
        return _unwrap(open_container(source), stream)
    return _unwrap(open_container(source), stream)


def _open_file(file: BufferedReader, stream: Stream) -> bytes | mmap.mmap:
    plain = file.raw  # what is read through a buffer is copied once more
    start = plain.read(4)
    plain.seek(0, os.SEEK_SET)
    if start == framing.FILE_MAGIC.to_bytes(4, "big"):
        if os.fstat(file.fileno()).st_size < MAPPED_FROM:
            return plain.read()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _unwrap(open_container(file), stream)


def _unwrap(container: Container, stream: Stream) -> bytes:
    stream.wrappers = container.wrappers
    return b"".join(container.chunks)


def _located(data: bytes | mmap.mmap) -> Description | None:
    """The vmdescription at the end of a whole stream: it tells the sizes of sections that nothing here describes."""
    text = vmdescription.known(data) if isinstance(data, bytes) else None
    if text is None:
        place = vmdescription.find(data)
        if place is None:
            return None
        text = bytes(data[place[0] : place[0] + place[1]])
    description = Description(text)
    return description if description.fault is None else None


def _let_go(data: mmap.mmap, start: int, end: int) -> int:
    """Unmap whole pages; who looks again gets them again, from the file. Returns where they end."""
    end -= end % _LET_GO
    if hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED, start, end - start)
    return end


def _read(data: bytes | mmap.mmap, stream: Stream, progress: Progress | None) -> None:
    incoming = Incoming(stream, _located(data), stable=True)
    incoming.begin(data)
    steps = behind = 0
    while incoming.step():
        steps += 1
        if isinstance(data, mmap.mmap) and incoming.offset - behind >= _LET_GO:
            behind = _let_go(data, behind, incoming.offset)
        if progress is not None and steps % _STEPS_BETWEEN_REPORTS == 0:
            progress(incoming.offset, len(data))
    if progress is not None:
        progress(len(data), len(data))
