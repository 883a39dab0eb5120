"""Deltas of byte strings: csrc/delta.c in Python. Same bytes, same codes, same offsets.

The format stands in csrc/vnetmig.h. Bytes are compared, found and picked by the interpreter's own loops (integers of a
block's size, regular expressions, ``compress``), never one by one where nothing changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import compress

from vnetmig.engine.code import Code, Result

MAGIC = 0xD1
_BLOCK, _LINE, _GAP, _RUN_COST = 4096, 64, 4, 3
_LINES = _BLOCK // _LINE
_WORD = 8  #: bytes of a mask

_RUN = re.compile(rb"[^\0]+(?:\0{1,%d}[^\0]+)*" % _GAP)
_CHANGED = re.compile(rb"[^\0]")
_DIGITS = bytes([ord("0")]) + bytes([ord("1")]) * 255
_FLAGS = bytes([0]) + bytes([1]) * 255


def _xor(old: bytes, now: bytes) -> bytes:
    """Zero where both have the same byte."""
    return (int.from_bytes(old, "little") ^ int.from_bytes(now, "little")).to_bytes(len(now), "little")


class _Prediction:
    """struct prediction of csrc/delta.c: the base, zeros, the base moved."""

    def __init__(self, base: bytes, length: int, split: int) -> None:
        self.base = base
        self.prefix = min(split, len(base))
        self.suffix = max(split, length - len(base))
        self.shift = length - len(base)

    def bytes(self, at: int, end: int) -> bytes:
        """The predicted bytes [at, end)."""
        base, prefix, suffix = self.base, self.prefix, self.suffix
        if end <= prefix:
            return base[at:end]
        if at >= suffix:
            return base[at - self.shift : end - self.shift]
        zeros = min(end, suffix) - max(at, prefix)
        moved = base[suffix - self.shift : end - self.shift] if end > suffix else b""
        return base[at:prefix] + bytes(max(zeros, 0)) + moved


def _find_split(base: bytes, target: bytes) -> int:
    """The split that predicts the most bytes rightly; the first of several."""
    length = len(target)
    if len(base) == length:
        return length
    wrong = [_xor(_Prediction(base, length, split).bytes(0, length), target) for split in (length, 0)]
    kept, moved = (bits.translate(_FLAGS) for bits in wrong)
    best = score = least = 0
    for found in _CHANGED.finditer(_xor(kept, moved)):
        at = found.start()
        score += 1 if kept[at] else -1
        if score < least:
            least, best = score, at + 1
    return best


def _number(value: int) -> bytes:
    output = bytearray()
    while value >= 0x80:
        output.append(value & 0x7F | 0x80)
        value >>= 7
    output.append(value)
    return bytes(output)


def _block(difference: bytes, now: bytes) -> tuple[int, bytes]:
    """(kind, bytes) of a block with changes; ``difference`` is zero where it has none."""
    mask = int(difference.translate(_DIGITS)[::-1], 2)
    near = mask | mask << 1
    near |= near << 2
    starts = mask & ~(near << 1 | mask << (_GAP + 1))
    words = mask.to_bytes(_LINES * _WORD, "little")
    masks = [words[at : at + _WORD] for at in range(0, len(words), _WORD)]
    changed = [any(word) for word in masks]
    if _RUN_COST * starts.bit_count() > _WORD + _WORD * sum(changed):
        lines = sum(1 << i for i, differs in enumerate(changed) if differs)
        parts = [lines.to_bytes(_WORD, "little"), *compress(masks, changed), bytes(compress(now, difference))]
        return 1, b"".join(parts)
    return 0, b"".join(_runs(difference, now))


def _runs(difference: bytes, now: bytes) -> Iterator[bytes]:
    found = [run.span() for run in _RUN.finditer(difference)]
    at = 0
    for start, end in found:
        yield _number((start - at) << 1 | (end != found[-1][1]))
        yield _number(end - start - 1)
        yield now[start:end]
        at = end


def make_delta(base: bytes | bytearray | memoryview, target: bytes | bytearray | memoryview) -> bytes:
    """The delta that turns ``base`` into ``target``. See csrc/vnetmig.h:vnm_delta_make."""
    base, target = bytes(base), bytes(target)
    length = len(target)
    split = _find_split(base, target)
    prediction = _Prediction(base, length, split)
    parts = [bytes([MAGIC]), _number(length), _number(length - split)]
    equal = 0
    for at in range(0, length, _BLOCK):
        now = target[at : at + _BLOCK]
        old = prediction.bytes(at, at + len(now))
        if old == now:
            equal += 1
            continue
        kind, told = _block(_xor(old, now), now)
        parts += [_number(equal << 1 | kind), told]
        equal = 0
    if equal:
        parts.append(_number(equal << 1))
    return b"".join(parts)


def bind_delta(base: bytes | bytearray, target: bytes | bytearray, output: bytearray) -> Callable[[], int]:
    """``make_delta`` of the same memory to the start of ``output``, again and again."""

    def call() -> int:
        delta = make_delta(base, target)
        if len(delta) <= len(output):
            output[: len(delta)] = delta
        return len(delta)

    return call


class _Stop(Exception):
    def __init__(self, code: Code, position: int, expected: int, got: int) -> None:
        self.result = Result(code, 0, position, 0, expected, got)


class _Reader:
    """struct reader of csrc/delta.c."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        left = len(self.data) - self.at
        if size > left:
            raise _Stop(Code.TRUNCATED, self.at, size, left)
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, limit: int) -> int:
        """A number of at most ``limit``."""
        start, value, shift = self.at, 0, 0
        while True:
            if self.at == len(self.data):
                raise _Stop(Code.TRUNCATED, start, self.at - start + 1, self.at - start)
            if shift == 63:
                raise _Stop(Code.LIMIT, start, limit, (1 << 64) - 1)
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if value > limit:
            raise _Stop(Code.LIMIT, start, limit, value)
        return value

    def mask(self, bits: int) -> int:
        """A mask that has none but the first ``bits`` bits."""
        start, full = self.at, (1 << min(bits, _LINE)) - 1
        value = int.from_bytes(self.take(_WORD), "little")
        if value & ~full:
            raise _Stop(Code.LIMIT, start, full, value)
        return value

    def runs(self, output: bytearray, at: int, end: int) -> None:
        more = 1
        while more:
            if at == end:
                raise _Stop(Code.LIMIT, self.at, 0, 1)
            gap = self.number((end - at) * 2 - 1)
            more = gap & 1
            at += gap >> 1
            size = self.number(end - at - 1) + 1
            output[at : at + size] = self.take(size)
            at += size

    def lines(self, output: bytearray, at: int, end: int) -> None:
        changed = self.mask(-(-(end - at) // _LINE))
        mask = 0
        for line in _bits(changed):
            mask |= self.mask(end - at - _LINE * line) << _LINE * line
        for place, byte in zip(_bits(mask), self.take(mask.bit_count()), strict=True):
            output[at + place] = byte

    def blocks(self, output: bytearray) -> None:
        length = len(output)
        number, block = -(-length // _BLOCK), 0
        while block < number:
            head = self.number(2 * (number - block))
            block += head >> 1
            if block == number:
                break
            at = block * _BLOCK
            fill = self.lines if head & 1 else self.runs
            fill(output, at, min(at + _BLOCK, length))
            block += 1
        if self.at != len(self.data):
            raise _Stop(Code.CHECK, self.at, self.at, len(self.data))


def _bits(mask: int) -> Iterator[int]:
    """Places of the bits that are set, the least first."""
    digits = f"{mask:b}".encode()[::-1]
    return (found.start() for found in re.finditer(b"1", digits))


def apply_delta(
    base: bytes | bytearray | memoryview, delta: bytes | bytearray | memoryview, limit: int
) -> tuple[Result, bytes]:
    """What ``delta`` makes of ``base`` (b"" on failure). See csrc/vnetmig.h:vnm_delta_apply."""
    reader = _Reader(bytes(delta))
    base = bytes(base)
    try:
        magic = reader.take(1)[0]
        if magic != MAGIC:
            raise _Stop(Code.CHECK, 0, MAGIC, magic)
        length = reader.number(limit)
        split = length - reader.number(length)
        output = bytearray(_Prediction(base, length, split).bytes(0, length))
        reader.blocks(output)
    except _Stop as stop:
        return stop.result, b""
    return Result(Code.OK, 0, reader.at, length), bytes(output)
