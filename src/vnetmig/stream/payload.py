"""What a section's payload is to the framing layer: something that can be decoded and written again.

Knows the contract only. It does not know RAM, devices or vmstate: decoders are handed to the reader,
so that framing never imports a device (and a device never imports framing).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Ends = Callable[[int], "bool | None"]
"""``ends(position)``: may the payload end at this payload-relative position? True: what follows is the
section's own footer (or, without footers, a plausible next section); False: it is not; None: more
bytes are needed to tell, and until then no later position may be chosen: what is read must not depend
on how the bytes arrive."""


class Payload(Protocol):
    """A decoded payload, or a part of one. ``encode`` gives its bytes again, from values alone."""

    def encode(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that nothing describes: kept as they came."""

    data: bytes

    def encode(self) -> bytes:
        return self.data


@dataclass(frozen=True, slots=True)
class Decoded:
    """``size`` bytes were turned into ``payload``; ``last`` is False when more parts of this payload follow."""

    size: int
    payload: Payload
    last: bool = True


class Decoder(Protocol):
    """Decodes the payloads of one section id (START, PARTs and END share one decoder, FULL has its own).

    ``data`` starts at the payload (or, after a part with ``last=False``, right behind that part) and holds
    what has arrived so far; ``offset`` is the absolute stream offset of data[0]; ``final`` says that no
    byte will follow. Returns None when more bytes are needed. Raises only StreamError, whose offset is
    relative to data[0] (the reader makes it absolute). The decoder must not keep ``data``: it is only
    valid during the call. On None or an error the decoder's own state is unchanged.

    ``wanted`` is the least number of bytes of payload worth calling ``decode`` again for, set whenever
    ``decode`` returned None: the reader waits until that many are there (or its own doubling rule, or a
    footer in view, says so).
    """

    wanted: int

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None: ...


@dataclass(frozen=True, slots=True)
class SectionHeader:
    """Header of a START or FULL section (qemu: migration/savevm.c:save_section_header)."""

    type: int
    section_id: int
    idstr: str
    instance_id: int
    version_id: int


DecoderFor = Callable[[SectionHeader], "Decoder | None"]
"""Chooses the decoder of a section by its header; None: nobody describes it (length by vmdesc or footer)."""
