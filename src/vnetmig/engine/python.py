"""The portable engine: the same interpreter as csrc/, in Python. Same bytes, same codes, same offsets.

Needs neither cffi nor numpy. Spans are copied whole (engine.python_copy), never field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from vnetmig.engine.code import (
    Batch,
    Bound,
    Code,
    Flat,
    Result,
    check_places,
)
from vnetmig.engine.python_delta import apply_delta as apply_delta
from vnetmig.engine.python_delta import bind_delta as bind_delta
from vnetmig.engine.python_delta import make_delta as make_delta
from vnetmig.engine.python_expression import Stop
from vnetmig.engine.python_interp import NAME as NAME
from vnetmig.engine.python_load import Loader
from vnetmig.engine.python_rings import rings as rings
from vnetmig.engine.python_save import Saver
from vnetmig.engine.python_scan import scan_ram as scan_ram

CALLS_COST = False


def load(flat: Flat, data: bytes | bytearray | memoryview, record: bytearray) -> Result:
    """Run ``flat`` over ``data``, filling ``record`` (fixed part, then arena). See csrc/vnetmig.h:vnm_load."""
    run = Loader(flat, data, record)
    try:
        run.take(0, flat.record_bytes)
        run.body(0, len(flat.ops))
    except Stop as stop:
        return run.result(stop, run.length)
    return run.result(None, run.length)


def save(flat: Flat, record: bytes | bytearray | memoryview) -> tuple[Result, bytes]:
    """The stream bytes of ``record`` (b"" on failure). See csrc/vnetmig.h:vnm_save."""
    run = Saver(flat, record)
    try:
        if len(record) < flat.record_bytes:
            raise run.stop(0, Code.BAD_RECORD)
        run.body(0, len(flat.ops))
    except Stop as stop:
        return run.result(stop, run.position), b""
    return run.result(None, run.position), b"".join(run.parts)


def save_into(flat: Flat, record: bytes | bytearray | memoryview, output: bytearray | memoryview) -> Result:
    """The stream bytes of ``record`` at the start of ``output``; ``used`` of them. NO_ROOM when they do not fit."""
    result, data = save(flat, record)
    room = len(output)
    if result.code == Code.OK and len(data) > room:
        return Result(Code.NO_ROOM, 0, len(data), len(data), len(data), room)
    output[: len(data)] = data
    return result


def bind_load(flat: Flat, data: bytes | bytearray, record: bytearray) -> Bound:
    """``load`` of the same bytes into the same record, again and again."""

    def run(_: object) -> int:
        result = load(flat, data, record)
        return 0 if result.code else result.used

    return run, None, None


def bind_save(flat: Flat, record: bytearray, output: bytearray) -> Bound:
    """``save_into`` of the same record to the same output, again and again."""

    def run(_: object) -> int:
        result = save_into(flat, record, output)
        return 0 if result.code else result.used

    return run, None, None


class _Batch:
    def __init__(self, calls: Sequence[Callable[[], Result]]) -> None:
        self._calls = calls
        self._results = [Result(0, 0, 0, 0)] * len(calls)

    def run(self) -> int:
        self._results = [call() for call in self._calls]
        return sum(result.code != 0 for result in self._results)

    def sizes(self) -> list[int]:
        return [result.used for result in self._results]

    def result(self, index: int) -> Result:
        return self._results[index]


def bind_load_batch(
    flats: Sequence[Flat], inputs: Sequence[bytes | bytearray | memoryview], records: Sequence[bytearray]
) -> Batch:
    """``load`` of each of ``inputs`` into the record beside it, as one call, again and again."""
    return _Batch([partial(load, *call) for call in zip(flats, inputs, records, strict=True)])


def bind_save_batch(
    flats: Sequence[Flat], records: Sequence[bytearray], output: bytearray, places: Sequence[int]
) -> Batch:
    """``save_into`` of each of ``records`` as one call, again and again (number i: output[places[i]:places[i + 1]])."""
    check_places(places, len(output))
    rooms = [memoryview(output)[begin:end] for begin, end in pairwise(places)]
    return _Batch([partial(save_into, *call) for call in zip(flats, records, rooms, strict=True)])
