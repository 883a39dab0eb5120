"""A stream's bytes into a file: wrapped as it was, compressed as the name says, whole or not at all.

Knows files; knows no stream.
"""

from __future__ import annotations

import gzip
import lzma
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vnetmig.stream.container import Wrapper
from vnetmig.stream.libvirt import LibvirtImage

COMPRESS: dict[str, Callable[[bytes], bytes]] = {".xz": lzma.compress, ".gz": gzip.compress}


def write(path: str | Path, pieces: Iterable[bytes], wrappers: Iterable[Wrapper] = ()) -> int:
    """Write ``pieces``, compressed when ``path`` ends in .xz or .gz, behind the libvirt header among ``wrappers``.

    Returns the length before compression. Nothing is left behind on failure.
    """
    target = Path(path).resolve()  # through a link to the file itself
    front = b"".join(w.encode() for w in wrappers if isinstance(w, LibvirtImage))
    compress = COMPRESS.get(target.suffix)

    def put(file: IO[bytes]) -> int:
        if compress is not None:
            data = front + b"".join(pieces)
            file.write(compress(data))
            return len(data)
        return file.write(front) + sum(file.write(piece) for piece in pieces)

    with replaced(target) as file:
        return put(file)


@contextmanager
def replaced(path: str | Path) -> Iterator[IO[bytes]]:
    """A file that stands at ``path`` once all is written, and not before: with the permissions of the one that stood
    there. What is no regular file (a device, a pipe) is written to as it is."""
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    import tempfile  # only to write: it brings random numbers and hashes

    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    scratch = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
        scratch.chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask())
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
