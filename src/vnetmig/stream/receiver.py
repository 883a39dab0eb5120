"""Bytes in, things out, without any IO: what every reader of this package does in the same way.

Knows feeding, closing, waiting for a known number of bytes, and that errors are final. Must not know what
is read: a subclass gives one step at a time.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Generic, NoReturn, TypeVar

from vnetmig.errors import StreamError
from vnetmig.stream.cursor import Buffer, Short, truncated
from vnetmig.stream.window import Window, let_go


class NeedData(enum.Enum):
    NEED_DATA = "feed more bytes, or close"


NEED_DATA: Final = NeedData.NEED_DATA

T = TypeVar("T")


def _refuse(data: Buffer) -> NoReturn:
    raise ValueError("feed() after close()")


class Receiver(ABC, Generic[T]):
    """A step that raises ``Short`` is not run again before the bytes it asked for are there."""

    def __init__(self) -> None:
        self._window = Window()
        self.feed = self._window.append
        self._need = 0
        self._closed = False
        self._error: StreamError | None = None

    @property
    def offset(self) -> int:
        """Absolute offset of the next byte that was not handed out yet."""
        return self._window.offset

    def take_rest(self) -> bytes:
        """Every byte at hand that was not read yet, given to whoever reads what follows."""
        with self._window.view(self._window.arrived) as data:
            rest = bytes(data)
        self._window.skip(len(rest))
        return rest

    feed: Callable[[Buffer], None]
    """Take more bytes. The window's own method, one call less for every piece: pieces may be single bytes."""

    def close(self) -> None:
        """No more bytes will come."""
        self._closed = True
        self.feed = _refuse
        self._need = 0

    def _next(self) -> T | NeedData | None:
        if self._window.arrived < self._need:
            return NEED_DATA
        if self._error is not None:
            raise self._error
        try:
            return self._run()
        except StreamError as error:
            self._error = error
            raise

    def _run(self) -> T | NeedData | None:
        while not self._done():
            end, final = self._reach()
            data = self._window.view(end)
            try:
                size, found = self._step(data, final)
            except Short as short:
                if final:
                    raise self._truncated(short, end) from None
                self._need = self.offset + short.total
                return NEED_DATA
            finally:
                let_go(data)
            self._window.skip(size)
            if found is not None:
                return found
        return None

    def _truncated(self, short: Short, end: int) -> StreamError:
        expected = f"at least {short.total} bytes from {self.offset:#x} on"
        section = self._where()
        return truncated(short.what, offset=end, section=section, expected=expected, got=end - self.offset)

    # For subclasses.

    def _reach(self) -> tuple[int, bool]:
        """(absolute end of the bytes that may be read now, no byte will follow them)."""
        return self._window.arrived, self._closed

    def _where(self) -> str | None:
        """The idstr of the section being read, for messages."""
        return None

    @abstractmethod
    def _done(self) -> bool:
        """Nothing more is to be read."""

    @abstractmethod
    def _step(self, data: memoryview, final: bool) -> tuple[int, T | None]:
        """(bytes read, the thing they are; None: go on)."""
