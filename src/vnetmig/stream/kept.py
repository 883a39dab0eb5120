"""What was made of a text before, for the next stream that brings the same text.

Knows texts and bounds. Must not know what is made of them. Every step on the table is a single operation of a dict:
threads share it without a lock (so a forked process inherits none that is held), and at worst two of them make the
same thing once each.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """``kept(text)`` is ``make(text)``, from an earlier time if the text is among the last ones asked for.

    At most ``entries`` of them, whose texts are at most ``size`` bytes together; a longer text is never kept. What is
    made must not change any more.

    >>> kept = Kept(lambda text: [text.upper()], entries=8, size=1000)
    >>> kept(b"text") is kept(b"text")
    True
    """

    def __init__(self, make: Callable[[bytes], V], *, entries: int, size: int) -> None:
        self._make = make
        self._entries = entries
        self._size = size
        self._held: dict[bytes, V] = {}
        """The last one used stands last."""

    def __call__(self, text: bytes) -> V:
        # Few are held, and a comparison ends at the first byte that differs: to hash the text would take longer.
        held = next((one for one in list(self._held) if one == text), None)
        if held is not None:
            with suppress(KeyError):  # another thread was here
                self._held[held] = found = self._held.pop(held)
                return found
        made = self._make(text)
        if len(text) <= self._size:
            self._held[text] = made
            self._bound()
        return made

    def texts(self) -> list[bytes]:
        """Those that are kept, the last used one first."""
        return list(self._held)[::-1]

    def __len__(self) -> int:
        return len(self._held)

    def _bound(self) -> None:
        texts = list(self._held)
        over = sum(map(len, texts)) - self._size
        surplus = len(texts) - self._entries
        for text in texts:
            if surplus <= 0 and over <= 0:
                return
            self._held.pop(text, None)
            surplus -= 1
            over -= len(text)
