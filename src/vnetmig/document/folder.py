"""Which files below a folder are streams.

Knows the marks at a file's begin, out of what wraps it; reads no further.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.container import open_container


def streams_below(folder: str) -> Iterator[str]:
    """Paths of all streams in ``folder`` and in the folders of it, by name. Links to folders are not followed.

    OSError when a folder cannot be read; a file that cannot be opened is given too, for whoever opens it to say so.
    """
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.isfile(path) and _may_be_stream(path):
                yield path


def _may_be_stream(path: str) -> bool:
    mark = framing.FILE_MAGIC.to_bytes(4, "big")
    try:
        with open(path, "rb", buffering=0) as file:
            if file.read(len(mark)) == mark:
                return True
            file.seek(0)
            return next(open_container(file).chunks, b"").startswith(mark)
    except StreamError:  # what wraps it is damaged, or cannot be taken off here: nobody knows what it was
        return False
    except OSError:
        return True


def _raise(error: OSError) -> None:
    raise error
