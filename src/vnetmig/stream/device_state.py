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
    """Finds the record at the start of ``data``; a number of bytes when more are needed: fewer are of no use."""

    def __call__(self, data: memoryview, ends: Judge, *, final: bool, engine: str | None = None) -> Resolved | int: ...


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
        self.wanted = 1
        self._resolver = resolver
        self._engine = engine

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        found = self._resolver(data, ends, final=final, engine=self._engine)
        if isinstance(found, int):
            self.wanted = found
            return None
        return Decoded(found.size, DeviceState(found.record, found.assumed, found.ties))
