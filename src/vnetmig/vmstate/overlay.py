"""Names for the inside of a buffer: fields that a device keeps as raw bytes but a specification lays out.

Knows registers (name, offset, size, kind); knows no device. A function from the bytes (or their length)
to a tuple of registers is an *overlay*. The registers of an overlay cover each byte exactly once, in order.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Register:
    """One named piece of a buffer: ``size`` bytes at ``offset``.

    ``kind`` is "le" or "be" (unsigned integer of 1, 2, 4 or 8 bytes), "mac" (6 bytes), "key" (secret or
    hash key bytes), "string" (text padded with NUL) or "reserved" (bytes that the specification calls
    reserved, or that no structure claims).
    """

    name: str
    offset: int
    size: int
    kind: str = "le"
