"""The C engine: csrc/ through cffi. Same functions and answers as ``engine.python``.

Importing this module fails when the extension is not built; ``vnetmig.engine`` turns that into a choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vnetmig.engine._ffi import ffi, lib
from vnetmig.engine.code import Code, Flat, Result
from vnetmig.engine.rings import (
    BAD_REGIONS,
    MAX_QUEUES,
    REGION,
    STATE,
    TOO_MANY,
    Region,
    RingAnswer,
    RingQueue,
    pack_queues,
)

NAME = "c"
_OUTPUT_BYTES = 4096

if lib.vnm_abi_version() != lib.VNM_ABI_VERSION:
    raise ImportError(f"C engine has ABI {lib.vnm_abi_version()}, this package needs {lib.VNM_ABI_VERSION}: rebuild it")


class _Program:
    """A flat program in C memory. Owns the arrays that the struct points to."""

    def __init__(self, flat: Flat) -> None:
        words = flat.words()
        self._keep: list[Any] = []
        self.struct = ffi.new("struct vnm_program *")
        for field, kind, width in (
            ("ops", "struct vnm_op", 8),
            ("runs", "struct vnm_run", 2),
            ("insns", "struct vnm_insn", 4),
            ("subs", "struct vnm_sub", 8),
            ("consts", "uint64_t", 1),
        ):
            array = words[field]
            held = ffi.from_buffer(f"{kind}[]", array) if len(array) else ffi.new(f"{kind}[1]")
            self._keep += [array, held]
            setattr(self.struct, field, held)
            setattr(self.struct, f"n_{field}", len(array) // width)
        names = ffi.from_buffer("uint8_t[]", flat.names)
        self._keep.append(names)
        self.struct.names = names
        self.struct.n_names = len(flat.names)
        self.struct.record_bytes = flat.record_bytes
        self.output_bytes = _OUTPUT_BYTES


def _prepared(flat: Flat) -> _Program:
    program = flat.prepared.get(NAME)
    if program is None:
        program = flat.prepared[NAME] = _Program(flat)
    return program  # type: ignore[return-value]


def _answer(result: Any) -> Result:
    depth = 0 if result.code == Code.OK else result.depth
    return Result(
        result.code,
        result.op if result.code else 0,
        result.position,
        result.used,
        result.expected if result.code else 0,
        result.got if result.code else 0,
        tuple((result.frame_op[i], result.frame_index[i]) for i in range(depth)),
    )


def load(flat: Flat, data: bytes | bytearray | memoryview, record: bytearray) -> Result:
    """Run ``flat`` over ``data``, filling ``record`` (fixed part, then arena). See csrc/vnetmig.h:vnm_load."""
    result = ffi.new("struct vnm_result *")
    source = ffi.from_buffer("uint8_t[]", data)
    target = ffi.from_buffer("uint8_t[]", record, require_writable=True)
    lib.vnm_load(_prepared(flat).struct, source, len(source), target, len(target), result)
    return _answer(result)


def save(flat: Flat, record: bytes | bytearray | memoryview) -> tuple[Result, bytes]:
    """The stream bytes of ``record`` (b"" on failure). See csrc/vnetmig.h:vnm_save."""
    program = _prepared(flat)
    result = ffi.new("struct vnm_result *")
    source = ffi.from_buffer("uint8_t[]", record)
    while True:
        room = program.output_bytes
        output = ffi.new("uint8_t[]", room)
        code = lib.vnm_save(program.struct, source, len(source), output, room, result)
        if code != Code.NO_ROOM:
            break
        program.output_bytes = result.expected
    if code != Code.OK:
        return _answer(result), b""
    return _answer(result), bytes(ffi.buffer(output, result.position))


def rings(
    queues: Sequence[RingQueue],
    regions: Sequence[Region] = (),
    memory: bytes | bytearray | memoryview = b"",
    options: int = 0,
) -> tuple[RingAnswer, ...]:
    """What QEMU would find in the rings of ``queues``. See csrc/vnetmig.h:vnm_rings.

    ValueError for too many queues, or for regions that overlap or lie outside of ``memory``.
    """
    if len(queues) > MAX_QUEUES:
        raise ValueError(TOO_MANY)
    asked = ffi.from_buffer("struct vnm_ring_queue[]", pack_queues(queues))
    places = ffi.from_buffer("struct vnm_ring_region[]", b"".join(REGION.pack(*region) for region in regions))
    known = ffi.from_buffer("uint8_t[]", memory)
    states = bytearray(STATE.size * len(queues))
    target = ffi.from_buffer("struct vnm_ring_state[]", states, require_writable=True)
    room = 0
    while True:
        heads = ffi.new("uint16_t[]", room)
        code = lib.vnm_rings(asked, len(queues), places, len(regions), known, len(known), options, target, heads, room)
        if code != Code.NO_ROOM:
            break
        room = sum(state.n_heads for state in target)
    if code != Code.OK:
        raise ValueError(BAD_REGIONS)
    return tuple(_ring_answer(state, heads) for state in STATE.iter_unpack(states))


def _ring_answer(state: tuple[int, ...], heads: Any) -> RingAnswer:
    avail, used, verdict, known, inuse, in_flight, waiting, first, number, bad, index, used_idx, shadow, nheads = state
    listed = tuple(heads[first : first + number])
    return RingAnswer(
        avail, used, verdict, known, inuse, in_flight, waiting, bad, index, used_idx, shadow, nheads, listed
    )
