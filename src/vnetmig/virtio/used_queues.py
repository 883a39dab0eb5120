"""A virtio state without the queue entries that nobody uses.

QEMU sends VIRTIO_QUEUE_MAX entries of every per-queue array (virtio/virtqueues, virtio/ringsize,
virtio/packed_virtqueues, virtio_pci/modern_queue_state), though a device has a handful of queues: 45 KB of zeros in a
virtio-net section. Here each array is sent as a number of entries, or as a bitmap of those that are not as the last one
(which no device of today uses: zero, but for the wrap counters of packed rings), and put back whole by the receiver:
the state after it is the stock one, byte for byte. Knows arrays by place and size; knows no
device. The layout, big-endian:

=====  ==========================  ==============================================
bytes  field                       remark
=====  ==========================  ==============================================
1      encoding                    1 count, 2 bitmap
4      size                        bytes of the whole state
1      number of arrays
8 each offset u32, stride u16,     in the whole state, ascending, not overlapping
       elements u16
n      the rest                    all that is in no array
k each unused element, used u16    count: up to the last one that is not as the unused
       + that many elements, or a
       bitmap (LSB first) + its
       elements
=====  ==========================  ==============================================
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.vmstate import Record
from vnetmig.vmstate.wire_layout import rows

COUNT: Final = "count"
BITMAP: Final = "bitmap"
ENCODINGS: Final = {COUNT: 1, BITMAP: 2}

SIZE_MAX: Final = 64 << 20
"""Bytes of a whole state; what is announced is checked against it before anything is allocated."""
ARRAYS_MAX: Final = 8
"""QEMU has four per-queue arrays."""

_HEAD = struct.Struct(">BIB")
_ARRAY = struct.Struct(">IHH")
_USED = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class QueueArray:
    """``elements`` entries of ``stride`` bytes from ``offset`` on."""

    offset: int
    stride: int
    elements: int = QUEUE_MAX

    @property
    def end(self) -> int:
        return self.offset + self.stride * self.elements


def queue_arrays(record: Record) -> tuple[QueueArray, ...]:
    """The arrays of ``record`` that have an entry for each possible queue."""
    found = (r for r in rows(record) if r.columns and r.count == QUEUE_MAX)
    return tuple(QueueArray(row.offset, row.stride) for row in found)


def pack(state: bytes, arrays: Sequence[QueueArray], encoding: str) -> bytes:
    """``state`` with its arrays packed. Arrays that are not inside of it stay as they are.

    >>> array = QueueArray(offset=2, stride=4, elements=1000)
    >>> state = b"ab" + bytes(4) + b"used" + bytes(4 * 998) + b"cd"
    >>> len(state), len(pack(state, [array], "count")), len(pack(state, [array], "bitmap"))
    (4004, 32, 151)
    >>> unpack(pack(state, [array], "bitmap")) == state
    True
    """
    usable = [a for a in arrays if a.end <= len(state)][:ARRAYS_MAX]
    head = [_HEAD.pack(ENCODINGS[encoding], len(state), len(usable))]
    rest: list[bytes] = []
    packed: list[bytes] = []
    at = 0
    for array in usable:
        head.append(_ARRAY.pack(array.offset, array.stride, array.elements))
        rest.append(state[at : array.offset])
        at = array.end
        packed.append(_packed(state[array.offset : at], array, encoding))
    return b"".join((*head, *rest, state[at:], *packed))


def _packed(content: bytes, array: QueueArray, encoding: str) -> bytes:
    stride = array.stride
    unused = content[-stride:] if content else bytes(stride)
    used = _used(content, unused, array)
    if encoding == COUNT:
        return unused + _USED.pack(used) + content[: used * stride]
    elements = [content[i * stride : (i + 1) * stride] for i in range(used)]
    bits = sum(1 << i for i, element in enumerate(elements) if element != unused)
    bitmap = bits.to_bytes((array.elements + 7) // 8, "little")
    return unused + bitmap + b"".join(element for element in elements if element != unused)


def _used(content: bytes, unused: bytes, array: QueueArray) -> int:
    """Elements up to the last one that is not ``unused``, found by halves: a copy of the array costs less than a loop
    over it."""
    if not any(unused):
        return -(-len(content.rstrip(b"\0")) // array.stride)
    all_unused = unused * array.elements
    first, end = 0, array.elements
    while first < end:
        middle = (first + end) // 2
        if content[middle * array.stride :] == all_unused[middle * array.stride :]:
            end = middle
        else:
            first = middle + 1
    return first


def unpack(packed: bytes) -> bytes:
    """The whole state. StreamError (offset in ``packed``) for anything that ``pack`` does not make."""
    reader = _Reader(packed)
    encoding, size, number = _HEAD.unpack(reader.take(_HEAD.size, "head"))
    if encoding not in ENCODINGS.values():
        raise reader.fault("encoding", "1 or 2", encoding)
    if size > SIZE_MAX:
        raise reader.fault("size", f"at most {SIZE_MAX}", size)
    if number > ARRAYS_MAX:
        raise reader.fault("number of arrays", f"at most {ARRAYS_MAX}", number)
    arrays = [QueueArray(*_ARRAY.unpack(reader.take(_ARRAY.size, "array"))) for _ in range(number)]
    at = 0
    for array in arrays:
        if not (at <= array.offset and array.end <= size and array.stride and array.elements <= QUEUE_MAX):
            raise reader.fault("array", f"inside of {size} bytes, behind {at}", array)
        at = array.end
    parts: list[bytes] = []
    at = 0
    for array in arrays:
        parts += reader.take(array.offset - at, "state"), b""
        at = array.end
    last = reader.take(size - at, "state")
    for i, array in enumerate(arrays):
        parts[2 * i + 1] = _unpacked(reader, array, encoding)
    reader.end()
    return b"".join((*parts, last))


def _unpacked(reader: _Reader, array: QueueArray, encoding: int) -> bytes:
    stride = array.stride
    unused = reader.take(stride, "unused queue")
    if encoding == ENCODINGS[COUNT]:
        used: int = _USED.unpack(reader.take(_USED.size, "number of queues"))[0]
        if used > array.elements:
            raise reader.fault("number of queues", f"at most {array.elements}", used)
        return reader.take(used * stride, "queues") + unused * (array.elements - used)
    bits = int.from_bytes(reader.take((array.elements + 7) // 8, "bitmap"), "little")
    if bits >> array.elements:
        raise reader.fault("bitmap", f"{array.elements} bits", f"{bits.bit_length()} bits")
    content = bytearray(unused * array.elements)
    for index in range(bits.bit_length()):
        if bits >> index & 1:
            content[index * stride : (index + 1) * stride] = reader.take(stride, "queue")
    return bytes(content)


class _Reader:
    """Takes pieces of ``data``; nothing behind its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int, what: str) -> bytes:
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise self.fault(what, f"{size} bytes", f"{len(piece)} bytes", code="truncated")
        self._at += size
        return piece

    def end(self) -> None:
        if self._at != len(self._data):
            raise self.fault("end", "nothing more", f"{len(self._data) - self._at} bytes")

    def fault(self, field: str, expected: object, got: object, code: str = "malformed") -> StreamError:
        return StreamError(
            "a packed state cannot be read", offset=self._at, field=field, expected=expected, got=got, code=code
        )
