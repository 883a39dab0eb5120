"""Finding the parameters that are not on the wire: try the few candidates, let the end of the payload judge.

Knows programs and candidates; knows no device (it is told the candidates) and no framing (it is told the judge).
The candidate that ends where the payload may end wins; when several do, the first one the caller prefers wins and the
tie is reported. What was chosen without proof on the wire is listed as an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vnetmig.vmstate.program import Loaded, Program
from vnetmig.vmstate.record import Record

CANDIDATES_MAX = 8

Judge = Callable[[int], "bool | None"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program to try; ``assumes`` says in words what it takes for granted, parameter by parameter."""

    program: Program
    assumes: tuple[str, ...] = ()


@dataclass(slots=True)
class Resolved:
    """The state that fits, how many bytes it took, what had to be assumed, which others fitted too."""

    record: Record
    size: int
    assumed: tuple[str, ...] = ()
    ties: tuple[tuple[str, ...], ...] = ()


def resolve(
    candidates: Sequence[Candidate],
    data: bytes | bytearray | memoryview,
    ends: Judge,
    *,
    final: bool,
    prefer: Callable[[Record], int] = lambda record: 0,
    engine: str | None = None,
) -> Resolved | int:
    """The candidate that fits ``data``; a number when more bytes are needed to tell: with fewer it is no use to try.

    ``ends(size)`` judges where the payload may end (None: unknown yet). ``prefer`` ranks records that fit alike, the
    largest first; at equal rank the order of ``candidates`` decides. Raises StreamError when nothing can fit; the
    record of the candidate whose error it is goes along as ``error.record``.
    """
    if len(candidates) > CANDIDATES_MAX:
        raise ValueError(f"{len(candidates)} candidates, at most {CANDIDATES_MAX}")
    fitting: list[tuple[Candidate, Loaded]] = []
    complete: list[tuple[Candidate, Loaded]] = []
    failed: list[tuple[Candidate, Loaded]] = []
    wanted: list[int] = []
    for candidate in candidates:
        loaded = candidate.program.load(data, engine=engine)
        if loaded.error is not None:
            if loaded.truncated and not final:
                wanted.append(loaded.needs)
            else:
                failed.append((candidate, loaded))
            continue
        verdict = ends(loaded.size)
        if verdict:
            fitting.append((candidate, loaded))
        elif verdict is None and not final:
            wanted.append(len(data) + 1)
        else:
            complete.append((candidate, loaded))
    if wanted:  # also when one fits already: what is read must not depend on how the bytes arrive
        return min(wanted)
    if fitting:
        if len(fitting) > 1:
            fitting.sort(key=lambda pair: -prefer(pair[1].record))
        chosen, loaded = fitting[0]
        others = [pair for pair in fitting[1:] if pair[1].record.data != loaded.record.data]
        ties = tuple(other.assumes for other, _ in others)
        proven = len(fitting) > 1 and not others  # the parameter changes nothing here
        return Resolved(loaded.record, loaded.size, () if proven else chosen.assumes, ties)
    # Nothing fits. The fault told is that of the reading which the values speak for, and among equals of the one that
    # came furthest. One that decodes whole has none: the payload goes on, or its footer is damaged; framing says which.
    candidate, loaded = max(complete + failed, key=lambda pair: (prefer(pair[1].record), _reached(pair[1])))
    if loaded.error is None:
        return Resolved(loaded.record, loaded.size, candidate.assumes)
    loaded.error.record = loaded.record
    raise loaded.error


def _reached(loaded: Loaded) -> int:
    return loaded.size if loaded.error is None else loaded.error.offset
