"""Both engines on one input: the same result, the same record bytes, the same bytes back."""

from __future__ import annotations

import pytest

from vnetmig.engine import engines, get
from vnetmig.engine.code import Code, Result
from vnetmig.vmstate import Program

FILL = 0xA5
"""A record buffer need not be cleared: both engines must leave the same bytes in it."""

both_engines = pytest.mark.skipif(len(engines()) < 2, reason=f"only one engine here: {engines()[0]}")


def agree(program: Program, data: bytes, room: int | None = None) -> Result:
    """Load and, when that is fine, save ``data`` with every engine; all that comes out must be equal.

    A fine load must give back exactly the bytes that it took. Returns the common result.
    """
    size = program.flat.record_bytes + 4096 if room is None else room
    while True:
        answers = []
        for name in engines():
            record = bytearray(bytes((FILL,)) * size)
            result = get(name).load(program.flat, data, record)
            answers.append((result, bytes(record[: result.used])))
        for other in answers[1:]:
            assert other[0] == answers[0][0], f"{len(data)} bytes: {answers[0][0]} / {other[0]}"
            assert other[1] == answers[0][1], f"{len(data)} bytes: records differ"
        result, held = answers[0]
        if result.code != Code.NO_ROOM or room is not None:
            break
        size = max(2 * size, result.expected)
    written = [get(name).save(program.flat, held) for name in engines()] if result.code == Code.OK else []
    for other_result, other_bytes in written[1:]:
        assert (other_result, other_bytes) == written[0], f"{len(data)} bytes: saved differently"
    if written:
        assert written[0][0].code == Code.OK
        assert written[0][1] == data[: result.position]
    return result
