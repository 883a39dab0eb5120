"""What every channel offers, and how a failed system call becomes a ChannelError.

Knows errno; knows no kind of channel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from vnetmig.errors import ChannelError


class Channel(Protocol):
    """Bytes in both directions, in order. ``two_way`` is False where nobody can answer (files, pipes).

    Interrupted calls are repeated and short writes are finished; what cannot be mended is a ChannelError.
    """

    two_way: bool

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""

    def receive(self, limit: int) -> bytes:
        """Wait for bytes, and return at most ``limit``; nothing at the end."""

    def ready(self) -> bool:
        """Would ``receive`` return at once? False where nobody can answer."""

    def finish(self) -> None:
        """Nothing more will be sent. Receiving goes on."""

    def close(self) -> None: ...


class ClosingChannel(ABC):
    """``with channel:`` for those who inherit it."""

    def __enter__(self) -> ClosingChannel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Give the descriptor back."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """System errors inside become a ChannelError that begins with ``what``, as QEMU's messages do."""
    try:
        yield
    except TimeoutError:
        raise ChannelError(f"{what}: timed out") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ChannelError(f"{what}: {reason}") from error
