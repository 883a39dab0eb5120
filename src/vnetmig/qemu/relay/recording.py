"""What went by, in files: the source's main channel, what the destination got instead, and every other channel.

Knows files and when they are full. A recording that fails is told to whoever asks; what becomes of the migration is not
decided here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from vnetmig.errors import FieldError
from vnetmig.qemu.whole_file import refuse_existing

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Recording:
    """A file that grows as bytes come. ``fault`` says why it ended early; whatever came before is in it.

    What is wrong when it begins is raised, unless ``late``: then it is a fault as well.
    """

    def __init__(self, path: str, *, overwrite: bool = False, late: bool = False) -> None:
        self.path = path
        self.size = 0
        self.fault: OSError | None = None
        self._number: int | None = None
        try:
            if not overwrite:
                refuse_existing(path)
            self._number = os.open(path, _FLAGS, 0o660)
        except FieldError:
            if not late:
                raise
            self.fault = FileExistsError(None, "there is such a file already", path)
        except OSError as error:
            if not late:
                raise
            self.fault = error

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


class Recordings:
    """Those of one migration: ``came``, the source's main channel; ``went``, what the destination got. Of the other
    channels each has a file beside ``came``.

    FieldError when a file is there already, unless it may be overwritten, and when two are one; OSError when one cannot
    be written.
    """

    def __init__(self, came: str | None, went: str | None, *, overwrite: bool = False) -> None:
        if came is not None and went is not None and os.path.realpath(came) == os.path.realpath(went):
            raise FieldError(f"{went}: what came and what went on are two files")
        self._overwrite = overwrite
        self._all: list[Recording] = []
        try:
            self.came, self.went = self._begun(came), self._begun(went)
        except BaseException:
            self.close()
            raise

    def _begun(self, path: str | None) -> Recording | None:
        if path is None:
            return None
        self._all.append(Recording(path, overwrite=self._overwrite))
        return self._all[-1]

    def beside(self, number: int) -> Recording | None:
        """Of one more channel. There is a migration under way: that it cannot be written is a fault of it."""
        if self.came is None:
            return None
        self._all.append(Recording(f"{self.came.path}.{number}", overwrite=self._overwrite, late=True))
        return self._all[-1]

    def __iter__(self) -> Iterator[Recording]:
        """The main channel's."""
        return (one for one in (self.came, self.went) if one is not None)

    @property
    def fault(self) -> OSError | None:
        return next((one.fault for one in self._all if one.fault is not None), None)

    def close(self) -> None:
        for one in self._all:
            one.close()

    def shortened(self) -> Iterator[str]:
        """In words: those that have not everything."""
        for one in self._all:
            if one.fault is not None:
                yield f"the recording ended early: {one.path}: {one.fault.strerror}; it has {one.size} bytes"
