"""The C engine: csrc/ through cffi. Same functions and answers as ``engine.python``.

Importing this module fails when the extension is not built; ``vnetmig.engine`` turns that into a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from vnetmig.engine._ffi import ffi, lib
from vnetmig.engine.code import (
    INSN_WORDS,
    OP_WORDS,
    RUN_WORDS,
    SUB_WORDS,
    Batch,
    Bound,
    Code,
    Flat,
    Op,
    Result,
    Rule,
    check_places,
)
from vnetmig.engine.rings import (
    BAD_REGIONS,
    MAX_QUEUES,
    STATE,
    TOO_MANY,
    Region,
    RingAnswer,
    RingQueue,
    pack_queues,
    pack_regions,
)
from vnetmig.engine.verify import refusal, words_fit

NAME = "c"
CALLS_COST = True  #: crossing into C costs more than a small save: binding pays
_OUTPUT_BYTES = 4096
_OUTPUT_KEPT = 1 << 22
_NO_ROOM = int(Code.NO_ROOM)

if lib.vnm_abi_version() != lib.VNM_ABI_VERSION:
    raise ImportError(f"C engine has ABI {lib.vnm_abi_version()}, this package needs {lib.VNM_ABI_VERSION}: rebuild it")

_from_buffer = ffi.from_buffer
_load, _save = lib.vnm_load, lib.vnm_save
_make_delta, _apply_delta = lib.vnm_delta_make, lib.vnm_delta_apply
_scan_ram = lib.vnm_scan_ram
_new_memory = ffi.new_allocator(should_clear_after_alloc=False)
_BYTES = ffi.typeof("uint8_t[]")
_RESULT_WORDS = ffi.sizeof("struct vnm_result") // 8
_USED_WORD = ffi.offsetof("struct vnm_result", "used") // 8


class _Program:
    """A flat program in C memory. Owns the arrays that the struct points to."""

    def __init__(self, flat: Flat) -> None:
        if not words_fit(flat):
            raise refusal(0, Rule.WORDS)
        words = flat.words()
        self._keep: list[Any] = []
        self.struct = ffi.new("struct vnm_program *")
        for field, kind, width in (
            ("ops", "struct vnm_op", OP_WORDS),
            ("runs", "struct vnm_run", RUN_WORDS),
            ("insns", "struct vnm_insn", INSN_WORDS),
            ("subs", "struct vnm_sub", SUB_WORDS),
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
        self._outputs: list[Any] = []
        result = ffi.new("struct vnm_result *")
        if lib.vnm_verify(self.struct, result):
            raise refusal(result.op, result.got)
        self._make_windows(flat)

    def _make_windows(self, flat: Flat) -> None:
        room = 3 * sum(op.b for op in flat.ops if op.kind in (Op.SPAN, Op.VSPAN) and op.b <= len(flat.runs))
        first = ffi.new("uint32_t[]", len(flat.ops) + 1)
        windows = ffi.new("struct vnm_window[]", max(room, 1))
        made = lib.vnm_make_windows(self.struct, first, windows, room)
        if made <= room:
            self._keep += [first, windows]
            self.struct.first_window, self.struct.windows, self.struct.n_windows = first, windows, made

    def take_output(self) -> Any:
        """Memory for the output of one call."""
        try:
            output = self._outputs.pop()
        except IndexError:
            return _new_memory("char[]", self.output_bytes)
        return output if len(output) >= self.output_bytes else _new_memory("char[]", self.output_bytes)

    def give_output(self, output: Any) -> None:
        """Keep it for the next call: touching new memory costs more than filling it."""
        if not self._outputs and len(output) <= _OUTPUT_KEPT:
            self._outputs.append(output)


def _prepared(flat: Flat) -> _Program:
    program = flat.prepared.get(NAME)
    if program is None:  # of two threads the first one's stays: C memory must not go while a call of the other uses it
        program = flat.prepared.setdefault(NAME, _Program(flat))
    return program  # type: ignore[return-value]


# Results that no call is using. Taking one is a single step, so that threads do not share it.
_results: list[Any] = []

# Memory that no call is using, for deltas and what they make: new memory is dear to touch.
_spare: list[Any] = []


def _result() -> Any:
    try:
        return _results.pop()
    except IndexError:
        return ffi.new("struct vnm_result *")


def _failure(result: Any) -> Result:
    return Result(
        result.code,
        result.op,
        result.position,
        result.used,
        result.expected,
        result.got,
        tuple((result.frame_op[i], result.frame_index[i]) for i in range(result.depth)),
    )


def load(flat: Flat, data: bytes | bytearray | memoryview, record: bytearray) -> Result:
    """Run ``flat`` over ``data``, filling ``record`` (fixed part, then arena). See csrc/vnetmig.h:vnm_load."""
    result = _result()
    source = data if type(data) is bytes else _from_buffer(data)
    target = _from_buffer(record)
    code = _load(_prepared(flat).struct, source, len(source), target, len(record), result)
    answer = _failure(result) if code else Result(0, 0, result.position, result.used)
    _results.append(result)
    return answer


def save(flat: Flat, record: bytes | bytearray | memoryview) -> tuple[Result, bytes]:
    """The stream bytes of ``record`` (b"" on failure). See csrc/vnetmig.h:vnm_save."""
    program = _prepared(flat)
    result = _result()
    source = _from_buffer(record)
    output = program.take_output()
    code = _save(program.struct, source, len(source), output, len(output), result)
    if code == _NO_ROOM:
        # Not what others left: another thread may have needed less since.
        output = _new_memory("char[]", result.expected)
        program.output_bytes = max(program.output_bytes, len(output))
        code = _save(program.struct, source, len(source), output, len(output), result)
    if code:
        answer, data = _failure(result), b""
    else:
        answer, data = Result(0, 0, result.position, result.used), ffi.unpack(output, result.position)
    _results.append(result)
    program.give_output(output)
    return answer, data


def save_into(flat: Flat, record: bytes | bytearray | memoryview, output: bytearray | memoryview) -> Result:
    """The stream bytes of ``record`` at the start of ``output``; ``used`` of them. NO_ROOM when they do not fit."""
    result = _result()
    source = _from_buffer(record)
    target = _from_buffer(output, require_writable=True)
    code = _save(_prepared(flat).struct, source, len(source), target, len(target), result)
    answer = _failure(result) if code else Result(0, 0, result.position, result.used)
    _results.append(result)
    return answer


def _bound(flat: Flat, run: Any, source: bytes | bytearray, target: bytearray) -> Bound:
    program, held_source, held_target = _prepared(flat), _from_buffer(source), _from_buffer(target)
    call = ffi.new("struct vnm_bound *")
    call.program = program.struct
    call.source, call.source_length = ffi.cast("uint8_t *", held_source), len(source)
    call.target, call.target_capacity = ffi.cast("uint8_t *", held_target), len(target)
    return run, call, (program, held_source, held_target)


def bind_load(flat: Flat, data: bytes | bytearray, record: bytearray) -> Bound:
    """``load`` of the same bytes into the same record, again and again; both keep their size while this lives."""
    return _bound(flat, lib.vnm_load_bound, data, record)


def bind_save(flat: Flat, record: bytearray, output: bytearray) -> Bound:
    """``save_into`` of the same record to the same output, again and again; both keep their size while this lives."""
    return _bound(flat, lib.vnm_save_bound, record, output)


class _Batch:
    """Calls in C memory, and their results. ``keep`` owns what they point to."""

    def __init__(self, run: Any, calls: list[tuple[Any, ...]], keep: Any) -> None:
        self._keep = keep
        self._results = ffi.new("struct vnm_result[]", len(calls))
        self.run: Callable[[], int] = partial(run, ffi.new("struct vnm_bound[]", calls), len(calls), self._results)

    def sizes(self) -> list[int]:
        if not len(self._results):
            return []
        return memoryview(ffi.buffer(self._results)).cast("B").cast("Q")[_USED_WORD::_RESULT_WORDS].tolist()

    def result(self, index: int) -> Result:
        result = self._results[index]
        return _failure(result) if result.code else Result(0, 0, result.position, result.used)


def bind_load_batch(
    flats: Sequence[Flat], inputs: Sequence[bytes | bytearray | memoryview], records: Sequence[bytearray]
) -> Batch:
    """``load`` of each of ``inputs`` into the record beside it, as one call, again and again. All keep their size while
    this lives."""
    programs = [_prepared(flat) for flat in flats]
    sources = [_from_buffer(_BYTES, data) for data in inputs]
    targets = [_from_buffer(_BYTES, record, require_writable=True) for record in records]
    calls = [
        (program.struct, source, len(source), target, len(target))
        for program, source, target in zip(programs, sources, targets, strict=True)
    ]
    return _Batch(lib.vnm_load_batch, calls, (programs, sources, targets))


def bind_save_batch(
    flats: Sequence[Flat], records: Sequence[bytearray], output: bytearray, places: Sequence[int]
) -> Batch:
    """``save_into`` of each of ``records`` as one call, again and again: number i to output[places[i]:places[i + 1]].
    All keep their size while this lives."""
    check_places(places, len(output))
    programs = [_prepared(flat) for flat in flats]
    sources = [_from_buffer(_BYTES, record) for record in records]
    target = _from_buffer(_BYTES, output, require_writable=True)
    calls = [
        (program.struct, source, len(source), target + begin, end - begin)
        for program, source, (begin, end) in zip(programs, sources, pairwise(places), strict=True)
    ]
    return _Batch(lib.vnm_save_batch, calls, (programs, sources, target))


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
    places = ffi.from_buffer("struct vnm_ring_region[]", pack_regions(regions))
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


def scan_ram(
    data: bytes | bytearray | memoryview, position: int, limit_words: int, page_size: int, highest: int
) -> tuple[int, int, int]:
    """Step over words of pages. See ``engine.python_scan`` and csrc/vnetmig.h:vnm_scan_ram."""
    result = _result()
    memory = data if type(data) is bytes else _from_buffer(data)
    _scan_ram(memory, len(memory), position, limit_words, page_size, highest, result)
    answer = result.position, result.used, result.expected
    _results.append(result)
    return answer


def _spare_memory(size: int) -> Any:
    try:
        spare = _spare.pop()
    except IndexError:
        return _new_memory("char[]", max(size, _OUTPUT_BYTES))
    return spare if len(spare) >= size else _new_memory("char[]", size)


# Both compare or copy far more memory than they use of it, so what runs around them runs from cold caches: few steps.


def make_delta(base: bytes | bytearray | memoryview, target: bytes | bytearray | memoryview) -> bytes:
    """The delta that turns ``base`` into ``target``. See csrc/vnetmig.h:vnm_delta_make."""
    old = base if type(base) is bytes else _from_buffer(base)
    now = target if type(target) is bytes else _from_buffer(target)
    result, output = _result(), _spare_memory(0)
    if _make_delta(old, len(old), now, len(now), output, len(output), result) == _NO_ROOM:
        output = _spare_memory(result.expected)
        _make_delta(old, len(old), now, len(now), output, len(output), result)
    delta: bytes = ffi.unpack(output, result.used)
    _results.append(result)
    if len(output) <= _OUTPUT_KEPT:
        _spare[:] = (output,)
    return delta


def bind_delta(base: bytes | bytearray, target: bytes | bytearray, output: bytearray) -> Callable[[], int]:
    """``make_delta`` of the same memory to the start of ``output``, again and again; all keep their size while this
    lives. Returns the bytes that the delta takes, which may be more than there is room for."""
    old, now, room = _from_buffer(base), _from_buffer(target), _from_buffer(output, require_writable=True)
    result = ffi.new("struct vnm_result *")
    run = partial(_make_delta, old, len(old), now, len(now), room, len(room), result)

    def call() -> int:
        run()
        return result.used  # type: ignore[no-any-return]

    return call


def apply_delta(
    base: bytes | bytearray | memoryview, delta: bytes | bytearray | memoryview, limit: int
) -> tuple[Result, bytes]:
    """What ``delta`` makes of ``base`` (b"" on failure). See csrc/vnetmig.h:vnm_delta_apply."""
    old = base if type(base) is bytes else _from_buffer(base)
    change = delta if type(delta) is bytes else _from_buffer(delta)
    result, output = _result(), _spare_memory(0)
    code = _apply_delta(old, len(old), change, len(change), limit, output, len(output), result)
    if code == _NO_ROOM:
        output = _spare_memory(result.expected)
        code = _apply_delta(old, len(old), change, len(change), limit, output, len(output), result)
    if code:
        answer, data = _failure(result), b""
    else:
        answer, data = Result(0, 0, result.position, result.used), ffi.unpack(output, result.used)
    _results.append(result)
    if len(output) <= _OUTPUT_KEPT:
        _spare[:] = (output,)
    return answer, data
