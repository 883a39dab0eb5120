"""The payload of a section that a description covers: a record, from bytes and back.

Knows the Decoder contract and records; knows no device. Which programs to try is the resolver's business, which is
handed in (see vmstate.trial).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vnetmig.stream.payload import Decoded, Ends
from vnetmig.vmstate.record import Record
from vnetmig.vmstate.trial import Judge, Resolved


class Resolver(Protocol):
    """Finds the record at the start of ``data``; None when more bytes are needed."""

    def __call__(self, data: memoryview, ends: Judge, *, final: bool, engine: str | None = None) -> Resolved | None: ...


@dataclass(slots=True)
class DeviceState:
    """Values of one device as they came in a section.

    ``assumed``: what the bytes alone did not prove; ``ties``: other readings that fitted as well.
    """

    record: Record
    assumed: tuple[str, ...] = ()
    ties: tuple[tuple[str, ...], ...] = ()

    def encode(self) -> bytes:
        return self.record.save()


class DeviceDecoder:
    """Decodes a FULL section whose state ``resolver`` understands."""

    def __init__(self, resolver: Resolver, engine: str | None = None) -> None:
        self.wanted = 1  # how many more it takes is not known: the reader looks for the footer, or for twice the bytes
        self._resolver = resolver
        self._engine = engine

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        found = self._resolver(data, ends, final=final, engine=self._engine)
        if found is None:
            return None
        return Decoded(found.size, DeviceState(found.record, found.assumed, found.ties))
