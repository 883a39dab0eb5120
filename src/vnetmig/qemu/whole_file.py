"""A file that is there, whole and on the disk, when its block ends, or not at all.

Knows what a disk can say; knows no stream.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from vnetmig.document.saving import replaced
from vnetmig.errors import FieldError, MigrationError


def refuse_existing(path: str) -> None:
    """FieldError when a file is there. What is no regular file is written to as it is."""
    if os.path.isfile(path):
        raise FieldError(f"{path}: there is such a file already\n  it is only replaced when that is asked for")


@contextmanager
def whole_file(path: str) -> Iterator[IO[bytes]]:
    """As ``document.saving.replaced``, and safe from a crash of this host behind the block.

    What the disk refuses is a MigrationError: the other side of a migration has to be told.
    """
    try:
        with replaced(path) as file:
            yield file
            file.flush()
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            if regular:
                os.fsync(file.fileno())
        if regular:
            _sync_folder(os.path.dirname(os.path.realpath(path)))
    except OSError as error:
        raise MigrationError(f"{path}: {error.strerror or error}\n  nothing was written there") from error


def _sync_folder(path: str) -> None:
    """The new name, too, has to be on the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
