"""XBZRLE: the delta between a page and its content when it was sent before.

Knows the encoding (runs of unchanged and changed bytes) and nothing of words, sections or guest memory.

A delta is a repetition of: ULEB128 length of a run to keep, ULEB128 length of a run to replace, the
bytes of that run. The last run to keep is left out; lengths take at most two bytes.
"""

from __future__ import annotations

from vnetmig.errors import EncodeError, StreamError

_DECODE_ERROR = "Failed to load XBZRLE page - decode error!"
_ULEB_MAX = 0x3FFF
"""Two bytes of seven bits (qemu: util/cutils.c:uleb128_decode_small)."""


def xbzrle_apply(previous_page: bytes, data: bytes) -> bytes:
    """The page that ``data`` makes of ``previous_page`` (qemu: migration/xbzrle.c:xbzrle_decode_buffer).

    >>> xbzrle_apply(bytes(8), bytes([2, 3]) + b"abc")
    b'\\x00\\x00abc\\x00\\x00\\x00'
    """
    page = bytearray(previous_page)
    size = len(page)
    end = len(data)
    position = 0
    at = 0
    first = True
    while position < end:
        start = position
        keep, position = _uleb128(data, position)
        if keep == 0 and not first:
            raise _fault("run to keep", start, "a length above 0", 0)
        first = False
        at += keep
        if at > size:
            raise _fault("run to keep", start, f"at most {size - at + keep}", keep)
        start = position
        replace, position = _uleb128(data, position)
        if replace == 0:
            raise _fault("run to replace", start, "a length above 0", 0)
        if at + replace > size:
            raise _fault("run to replace", start, f"at most {size - at}", replace)
        if position + replace > end:
            raise _fault("replaced bytes", position, f"{replace} bytes", end - position)
        page[at : at + replace] = data[position : position + replace]
        at += replace
        position += replace
    return bytes(page)


def xbzrle_encode(previous_page: bytes, page: bytes) -> bytes:
    """The delta from ``previous_page`` to ``page``; empty when they are equal. It may be longer than a page.

    >>> xbzrle_encode(bytes(8), b"\\0\\0abc\\0\\0\\0")
    b'\\x02\\x03abc'
    """
    size = len(page)
    if len(previous_page) != size:
        raise EncodeError(f"XBZRLE needs two pages of one size, not {len(previous_page)} and {size} bytes")
    if size > _ULEB_MAX:
        raise EncodeError(f"XBZRLE lengths reach {_ULEB_MAX}, not a page of {size} bytes")
    parts: list[bytes] = []
    at = 0
    while True:
        start = at
        at = _run_end(previous_page, page, at, equal=True)
        if at == size:
            return b"".join(parts)
        parts.append(_uleb128_bytes(at - start))
        start = at
        at = _run_end(previous_page, page, at, equal=False)
        parts.append(_uleb128_bytes(at - start))
        parts.append(page[start:at])


def _run_end(old: bytes, new: bytes, at: int, *, equal: bool) -> int:
    size = len(new)
    if equal:
        # Whole strides compare in C: most of a page did not change.
        while at + 64 <= size and old[at : at + 64] == new[at : at + 64]:
            at += 64
    while at < size and (old[at] == new[at]) is equal:
        at += 1
    return at


def _uleb128(data: bytes, position: int) -> tuple[int, int]:
    low = data[position] if position < len(data) else -1
    if 0 <= low < 0x80:
        return low, position + 1
    high = data[position + 1] if low >= 0 and position + 1 < len(data) else -1
    if not 0 <= high < 0x80:
        raise _fault("length", position, "ULEB128 of one or two bytes", data[position : position + 2].hex())
    return (low & 0x7F) | high << 7, position + 2


def _uleb128_bytes(value: int) -> bytes:
    return bytes((value,)) if value < 0x80 else bytes((value & 0x7F | 0x80, value >> 7))


def _fault(field: str, position: int, expected: object, got: object) -> StreamError:
    return StreamError(_DECODE_ERROR, offset=position, field=field, expected=expected, got=got)
