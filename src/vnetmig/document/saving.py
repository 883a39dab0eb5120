"""A stream's bytes into a file: wrapped as it was, compressed as the name says, whole or not at all.

Knows files; knows no stream.
"""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterable
from pathlib import Path

from vnetmig.stream.container import Wrapper
from vnetmig.stream.libvirt import LibvirtImage

COMPRESS: dict[str, Callable[[bytes], bytes]] = {".xz": lzma.compress, ".gz": gzip.compress}


def write(path: str | Path, pieces: Iterable[bytes], wrappers: Iterable[Wrapper] = ()) -> int:
    """Write ``pieces``, compressed when ``path`` ends in .xz or .gz, behind the libvirt header among ``wrappers``.

    Returns the length before compression. Nothing is left behind on failure.
    """
    target = Path(path)
    front = b"".join(w.encode() for w in wrappers if isinstance(w, LibvirtImage))
    compress = COMPRESS.get(target.suffix)
    scratch = target.with_name(f".{target.name}.part")
    total = 0
    try:
        with scratch.open("wb") as file:
            if compress is not None:
                data = front + b"".join(pieces)
                total = len(data)
                file.write(compress(data))
            else:
                total = file.write(front)
                for piece in pieces:
                    total += file.write(piece)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    return total
