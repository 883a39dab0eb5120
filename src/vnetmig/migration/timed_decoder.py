"""How long a decoder took for one section.

Knows the Decoder contract and a clock. Every attempt counts, also those that ended in "more bytes are needed": that is
what the load costs when the bytes come in pieces.
"""

from __future__ import annotations

from collections.abc import Callable

from vnetmig.stream.payload import Decoded, Decoder, Ends


class TimedDecoder:
    """``prepare`` sees the bytes before the decoder does, while the clock stands still."""

    __slots__ = ("_clock", "_inner", "_prepare", "_spent")

    def __init__(
        self, inner: Decoder, clock: Callable[[], int], prepare: Callable[[memoryview], object] | None = None
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._prepare = prepare
        self._spent = 0

    @property
    def wanted(self) -> int:
        return self._inner.wanted

    @wanted.setter
    def wanted(self, value: int) -> None:
        self._inner.wanted = value

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        if self._prepare is not None:
            self._prepare(data)
        start = self._clock()
        try:
            return self._inner.decode(data, ends, kind=kind, offset=offset, final=final)
        finally:
            self._spent += self._clock() - start

    def taken(self) -> int:
        """Nanoseconds since this was asked last."""
        spent, self._spent = self._spent, 0
        return spent
