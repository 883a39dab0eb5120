"""The VMStateInfo encodings: how one value of each named type stands on the wire.

Knows widths, signs and byte order; knows no field and no device. The names are those that QEMU writes as
``type`` into a stream's own description (qemu: migration/vmstate-types.c).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """One encoding. ``size`` is the width of one value in bytes, on the wire and in a record alike.

    ``form`` is how people see it: uint, int, bool, mac (6 bytes) or bytes (then ``size`` is 1 and the
    field's count is the length of the one value). ``order`` is the wire's: "be" or "le".
    """

    name: str
    size: int
    form: str = "uint"
    order: str = "be"


#        name                        size  form       remark
UINT8 = Type("uint8", 1)
UINT16 = Type("uint16", 2)
UINT32 = Type("uint32", 4)
UINT64 = Type("uint64", 8)
INT8 = Type("int8", 1, "int")
INT16 = Type("int16", 2, "int")
INT32 = Type("int32", 4, "int")
INT64 = Type("int64", 8, "int")
BOOL = Type("bool", 1, "bool")  # written 0 or 1; any other value reads as true and is kept
TIMER = Type("timer", 8)  # expiry in ns; all ones: not armed
CPU_DOUBLE = Type("CPU_Double_U", 8)  # upper then lower word: one big-endian u64
INT32_LE = Type("int32 le", 4, "int")  # "less or equal" to the local value, not little-endian
UINT8_EQUAL = Type("uint8 equal", 1)
UINT16_EQUAL = Type("uint16 equal", 2)
UINT32_EQUAL = Type("uint32 equal", 4)
UINT64_EQUAL = Type("int64 equal", 8)  # QEMU's name of the unsigned one
INT32_EQUAL = Type("int32 equal", 4, "int")
BITMAP = Type("bitmap", 8)  # words of 64 bits; bit 0 is the least significant of word 0
NULLPTR = Type("nullptr", 1)  # the byte 0x30 in place of a pointer's target
PTR_MARKER = Type("ptr-marker", 1)  # its name since 11.1; 0x31 in front of an object that the loader allocates
FD = Type("fd", 1)  # a dummy byte; the descriptor travels beside it
BUFFER = Type("buffer", 1, "bytes")
UNUSED = Type("unused_buffer", 1, "bytes")  # written as zeros, ignored when read
MAC = Type("mac", 6, "mac")
LE16 = Type("le16", 2, "uint", "le")  # structures that QEMU writes in a specification's own order
LE32 = Type("le32", 4, "uint", "le")
LE64 = Type("le64", 8, "uint", "le")

_ALL = (
    UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, BOOL, TIMER, CPU_DOUBLE, INT32_LE,
    UINT8_EQUAL, UINT16_EQUAL, UINT32_EQUAL, UINT64_EQUAL, INT32_EQUAL, BITMAP, NULLPTR, PTR_MARKER, FD, BUFFER, UNUSED,
)  # fmt: skip

BY_NAME: dict[str, Type] = {t.name: t for t in _ALL}
"""Types by the name that a stream's description uses."""
