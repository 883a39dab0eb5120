"""What went by, in files: the source's main channel, what the destination got instead, and every other channel.

Knows files and when they are full. A recording that fails is told to whoever asks; what becomes of the migration is not
decided here.
"""

from __future__ import annotations

import os
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Recording:
    """A file that grows as bytes come. ``fault`` says why it ended early; whatever came before is in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self.fault: OSError | None = None
        self._number: int | None = os.open(path, _FLAGS, 0o660)

    def write(self, data: bytes) -> None:
        if self._number is None:
            return
        rest = memoryview(data)
        try:
            while rest:
                written = os.write(self._number, rest)
                self.size += written
                rest = rest[written:]
        except OSError as error:
            self._end(error)

    def close(self) -> None:
        self._end(None)

    def _end(self, fault: OSError | None) -> None:
        number, self._number = self._number, None
        if number is None:
            return
        try:
            os.close(number)
        except OSError as error:  # some file systems say only now that the disk is full
            fault = fault or error
        if fault is not None and self.fault is None:
            fault.filename = self.path
            self.fault = fault
