"""The flat form of a program: what both engines run, and what they answer.

Knows integers only: ops, runs, expressions, subsection entries, results. It does not know names of
fields, devices or streams; the vmstate layer compiles descriptions to this and maps results back.
The tables here and the structs in csrc/vnetmig.h are the same tables, in the same order.

A *record* is the native memory of a device's values: fixed part first, then an arena for everything
of variable number. Integers stand in the host's byte order, unaligned, in wire order. A *slot* is two
native u32 in a record: (arena offset, count) for arrays, (offset of the first node, count) for lists.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import Any, Protocol


class Op(IntEnum):
    """What an op does. Wire side in the comments; every op has a mirror for saving."""

    END = 0  #: end of a body
    SPAN = 1  #: `repeat` passes over fixed runs, record and wire side by side
    VSPAN = 2  #: `expr` passes over fixed runs, stored in the arena
    EACH = 3  #: `expr` elements of variable size, stored in the arena
    FIXED = 4  #: a constant number of elements of variable size, stored inline
    LIST = 5  #: nodes while the marker in front of each is not zero
    IF = 6  #: skip to `next` unless `expr`
    SUBSECTIONS = 7  #: 0x05-marked subsections whose name starts with the parent's
    CHECK = 8  #: compare two expressions, stop if they do not hold


class Relation(IntEnum):
    EQUAL = 0
    AT_MOST = 1


class Code(IntEnum):
    """Why a run stopped. The same code, offset and op on both engines, for every input."""

    OK = 0
    TRUNCATED = 1  #: the input ends inside this op; more bytes may mend it
    LIMIT = 2  #: a count from the wire is over its named limit
    UNKNOWN_SUBSECTION = 3
    TOO_NEW = 4  #: version above the one described
    TOO_OLD = 5  #: version below the minimum
    CHECK = 6  #: a CHECK op did not hold
    NO_ROOM = 7  #: the caller's buffer is too small; `expected` bytes are needed at least
    BAD_RECORD = 8  #: a slot points outside of its record
    COUNT_MISMATCH = 9  #: on save: the list holds another number than its count field says
    TOO_DEEP = 10  #: frames nested deeper than DEPTH
    BAD_PROGRAM = 11  #: not a program this engine runs


class Rule(IntEnum):
    """What a program is refused for before it runs (engine.verify, csrc/verify.c)."""

    KIND = 1  #: no such op
    RUNS = 2  #: outside of the table, of no width, or not as many bytes as their op says
    PLACE = 3  #: bytes outside of the frame that is open
    EXPRESSION = 4  #: instructions, constants, operands, or not one value
    LOAD = 5  #: an expression reads outside of a frame, or no integer
    NESTING = 6  #: a body that does not end inside of the one around it, or nested too often
    ELEMENTS = 7  #: a node without room for its header; too many elements that take no bytes
    MARKER = 8  #: neither 1 nor 4 bytes
    SUBSECTIONS = 9  #: entries, names, sizes or bodies outside of their tables, or out of order
    SHARED = 10  #: an op that is reached on two ways
    WORDS = 11  #: a number that does not fit its word; C sees words only


class Insn(IntEnum):
    """Stack instructions of an expression; all arithmetic is unsigned 64 bit, modulo 2^64."""

    END = 0
    CONST = 1  #: push consts[a]
    LOAD = 2  #: push the native integer at frame[b] + a, c bytes wide (c | SIGNED: sign-extended)
    ADD = 3
    SUB = 4
    MUL = 5
    DIV = 6  #: floor; by zero gives 0
    AND = 7  #: bitwise
    OR = 8
    EQ = 9
    NE = 10
    LT = 11
    LE = 12
    NOT = 13  #: 1 if zero, else 0


SIGNED = 0x100
DEPTH = 16  #: frames: arrays, lists and subsections nested in one another
STACK = 16  #: operands of one expression
NESTING = 64  #: conditions and bodies of elements inside of one another
EMPTY_ELEMENTS = 65536  #: elements that take no bytes of a record, all in all
LITTLE = 0x10  #: run kind flag: integers little-endian on the wire
SLOT_BYTES = 8
NODE_HEADER = 8  #: list node: u32 next, u32 marker
SUBSECTION_HEADER = 12  #: subsection node: next, index, version

OP_WORDS = 8  #: kind, flags, rec, expr, a, b, c, next
RUN_WORDS = 2  #: kind, count
INSN_WORDS = 4  #: op, a, b, c
SUB_WORDS = 8  #: name offset, name length, first op, record bytes, version, minimum version, 0, 0


@dataclass(frozen=True, slots=True)
class OpRow:
    """One op. ``a``, ``b``, ``c`` by kind:

    ===========  =====================  ======================  ====================  ==============
    kind         expr                   a                       b                     c
    ===========  =====================  ======================  ====================  ==============
    SPAN         repeat count           first run               number of runs        bytes per pass
    VSPAN        count expression       first run               number of runs        bytes per pass
    EACH         count expression       least wire bytes        limit of the count    element bytes
    FIXED        repeat count                                                         element bytes
    LIST                                least wire bytes        limit of the count    node bytes
    IF           condition
    SUBSECTIONS  parent's name length   first entry             number of entries     name offset
    CHECK        got                    expected (expression)   error number
    ===========  =====================  ======================  ====================  ==============

    ``flags``: LIST: marker width on the wire (1 or 4); VSPAN: limit of the count; CHECK: Relation.
    ``next``: the op behind the body (EACH, FIXED, LIST), or behind the skipped ops (IF).
    """

    kind: int
    flags: int = 0
    rec: int = 0
    expr: int = 0
    a: int = 0
    b: int = 0
    c: int = 0
    next: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Flat:
    """A compiled program. Immutable; engines keep their own prepared form in ``prepared``."""

    ops: tuple[OpRow, ...]
    runs: tuple[tuple[int, int], ...]
    insns: tuple[tuple[int, int, int, int], ...]
    consts: tuple[int, ...]
    subs: tuple[tuple[int, int, int, int, int, int], ...]
    names: bytes
    record_bytes: int
    version: int = 0
    prepared: dict[str, object] = field(default_factory=dict, repr=False)

    def words(self) -> dict[str, array[int]]:
        """The tables as native u32/u64 arrays, as csrc/vnetmig.h lays them out."""
        ops = array("I")
        for o in self.ops:
            ops.extend((o.kind, o.flags, o.rec, o.expr, o.a, o.b, o.c, o.next))
        runs = array("I", [word for run in self.runs for word in run])
        insns = array("I", [word for insn in self.insns for word in insn])
        subs = array("I", [word for sub in self.subs for word in (*sub, 0, 0)])
        return {"ops": ops, "runs": runs, "insns": insns, "consts": array("Q", self.consts), "subs": subs}


@dataclass(slots=True)
class Result:
    """Where and why a run stopped. ``frames``: (op, element index) of every open array, list or
    subsection, outermost first. ``position``: stream bytes consumed (or where the failing op began)."""

    code: int
    op: int
    position: int
    used: int
    expected: int = 0
    got: int = 0
    frames: tuple[tuple[int, int], ...] = ()


Bound = tuple[Callable[[Any], int], Any, Any]
"""(run, argument, keep): ``run(argument)`` does again what was bound and returns the bytes of the target in use, 0 if
it failed; the memory it uses lives as long as ``keep``."""


class Batch(Protocol):
    """Calls that were bound together. One thread at a time: the results are the batch's own."""

    def run(self) -> int:
        """Make all calls, in their order; how many failed. A failing one does not stop the others."""

    def sizes(self) -> list[int]:
        """``Result.used`` of every call of the last run."""

    def result(self, index: int) -> Result:
        """What the plain call would have answered in the last run."""


def check_places(places: Sequence[int], size: int) -> None:
    """Rooms side by side in ``size`` bytes of output: ValueError when they are not."""
    if not places or places[0] < 0 or places[-1] > size or any(end < begin for begin, end in pairwise(places)):
        raise ValueError(f"no rooms side by side in {size} bytes")
