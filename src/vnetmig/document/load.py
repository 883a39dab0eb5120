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
from vnetmig.document.large import LET_GO, MAPPED_FROM, gathered, let_go, mapped
from vnetmig.document.stream import Stream
from vnetmig.errors import StreamError
from vnetmig.stream import framing, holes, vmdescription
from vnetmig.stream.container import Container, open_container
from vnetmig.stream.guest_memory import MemorySource, load_memory
from vnetmig.stream.holes import Holes
from vnetmig.stream.vmdescription import Description

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
Progress = Callable[[int, int], None]

_STEPS_BETWEEN_REPORTS = 64


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
        data, empty = _open(source, stream)
        stream.input = data
        _read(data, empty, stream, progress)
    except StreamError as error:
        stream.stop(error)
    if memory is not None:  # of a broken stream too: what stands before the fault can be checked
        stream.memory = load_memory(memory, stream.machine or "pc")
    if stream.error is not None and not partial:
        raise stream.error
    return stream


_Opened = tuple[bytes | mmap.mmap, Holes]


def _open(source: Source, stream: Stream) -> _Opened:
    """The bytes of the stream itself, and where there is nothing but zeros."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            return _open_file(file, stream)
    if isinstance(source, bytes | bytearray | memoryview):
        if source[:4] == framing.FILE_MAGIC.to_bytes(4, "big"):
            return bytes(source), holes.NONE  # no copy of what is bytes already
        return _unwrap(open_container(source), stream)
    return _unwrap(open_container(source), stream)


def _open_file(file: BufferedReader, stream: Stream) -> _Opened:
    plain = file.raw  # what is read through a buffer is copied once more
    start = plain.read(4)
    plain.seek(0, os.SEEK_SET)
    if start == framing.FILE_MAGIC.to_bytes(4, "big"):
        if os.fstat(file.fileno()).st_size < MAPPED_FROM:
            return plain.read(), holes.NONE
        return mapped(file)
    return _unwrap(open_container(file), stream)


def _unwrap(container: Container, stream: Stream) -> _Opened:
    stream.wrappers = container.wrappers
    unpacked = gathered(container.chunks)
    return (unpacked, holes.NONE) if isinstance(unpacked, bytes) else unpacked


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


def _read(data: bytes | mmap.mmap, empty: Holes, stream: Stream, progress: Progress | None) -> None:
    incoming = Incoming(stream, _located(data), stable=True, empty=empty)
    incoming.begin(data)
    steps = behind = 0
    while incoming.step():
        steps += 1
        if isinstance(data, mmap.mmap) and incoming.offset - behind >= LET_GO:
            behind = let_go(data, behind, incoming.offset)
        if progress is not None and steps % _STEPS_BETWEEN_REPORTS == 0:
            progress(incoming.offset, len(data))
    if progress is not None:
        progress(len(data), len(data))
