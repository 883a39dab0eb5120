"""Deltas of a device's payload: what to send when both sides have an earlier one.

Knows the engines' delta, how a base is named, and errors for people; knows no device and no message that carries a
delta. The format stands in csrc/vnetmig.h.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from vnetmig.engine import get as get_engine
from vnetmig.engine.code import Code, Result
from vnetmig.engine.python_delta import MAGIC
from vnetmig.errors import StreamError
from vnetmig.vmstate.changes import FieldChange as FieldChange
from vnetmig.vmstate.changes import changed_fields as changed_fields
from vnetmig.vmstate.program import RECORD_LIMIT

IDENTITY_BYTES = 16


def identity(state: bytes) -> bytes:
    """16 bytes that name a payload: whoever applies a delta checks that it has the base the maker had.

    >>> identity(b"").hex()
    'cae66941d9efbd404e4d88758ea67670'
    """
    return blake2b(state, digest_size=IDENTITY_BYTES).digest()


def make_delta(base: bytes, target: bytes, *, engine: str | None = None) -> bytes:
    """The delta that turns ``base`` into ``target``; their lengths may differ.

    >>> make_delta(bytes(4000), bytes(2000) + b"new" + bytes(1997)).hex(" ")
    'd1 a0 1f 00 00 a0 1f 02 6e 65 77'
    """
    return get_engine(engine).make_delta(base, target)


def bind_delta(
    base: bytes | bytearray, target: bytes | bytearray, output: bytearray, *, engine: str | None = None
) -> Callable[[], int]:
    """``make_delta`` as a call without arguments, the quickest there is, for memory that changes in place.

    While the call lives none of the three can be resized. It writes to the start of ``output`` and returns the length
    of the delta; when that is more than there is room for, what was written is of no use.

    >>> before, now, output = bytes(4000), bytearray(4000), bytearray(100)
    >>> call = bind_delta(before, now, output)
    >>> now[2000:2003] = b"new"
    >>> output[: call()].hex(" ")
    'd1 a0 1f 00 00 a0 1f 02 6e 65 77'
    """
    return get_engine(engine).bind_delta(base, target, output)


def apply_delta(base: bytes, delta: bytes, *, engine: str | None = None, limit: int = RECORD_LIMIT) -> bytes:
    """What ``delta`` makes of ``base``: at most ``limit`` bytes.

    Any other base of the same length gives other bytes, not an error: compare ``identity`` first. StreamError, with
    the offset in the delta, for bytes that are no delta.

    >>> apply_delta(bytes(4000), bytes.fromhex("d1a01f0000a01f026e6577"))[1999:2004]
    b'\\x00new\\x00'
    """
    result, target = get_engine(engine).apply_delta(base, delta, limit)
    if result.code:
        raise _error(result)
    return target


def _error(result: Result) -> StreamError:
    expected: object = result.expected
    got: object = result.got
    if result.code == Code.TRUNCATED:
        word, expected, got = "truncated", f"{expected} bytes", f"{got} bytes"
    elif result.code == Code.LIMIT:
        word, expected, got = "limit", f"at most {result.expected:#x}", f"{result.got:#x}"
    elif result.position == 0:
        word, expected, got = "magic", f"{MAGIC:#x}", f"{result.got:#x}"
    else:
        word, expected, got = "trailing", "the end of the delta", f"{result.got - result.expected} more bytes"
    return StreamError("Failed to apply a delta", offset=result.position, expected=expected, got=got, code=word)
