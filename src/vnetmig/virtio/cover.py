"""Closing the gaps of an overlay: every byte in exactly one register, in order.

Knows registers and a length. Knows no layout.
"""

from __future__ import annotations

from collections.abc import Iterable

from vnetmig.vmstate.overlay import Register


def reserved(start: int, end: int) -> Register:
    """The bytes from ``start`` up to ``end`` that no structure claims."""
    return Register(f"reserved[{start:#x}:{end:#x}]", start, end - start, "reserved")


def cover(registers: Iterable[Register], length: int) -> tuple[Register, ...]:
    """``registers`` (disjoint, any order) over ``length`` bytes; what is between them becomes reserved.

    A register that does not fit whole is dropped: half a number has no value.
    """
    covered: list[Register] = []
    end = 0
    for register in sorted(registers, key=lambda register: register.offset):
        if register.offset + register.size > length:
            continue
        if register.offset > end:
            covered.append(reserved(end, register.offset))
        covered.append(register)
        end = register.offset + register.size
    if end < length:
        covered.append(reserved(end, length))
    return tuple(covered)
