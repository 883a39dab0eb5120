"""Trying the few parameters that are not on the wire: which reading wins, what is told, when to wait."""

from __future__ import annotations

import pytest

from vnetmig.errors import StreamError
from vnetmig.vmstate import UINT8, UINT16, Field, Param, Program, Record, Ref, Vmsd
from vnetmig.vmstate.trial import CANDIDATES_MAX, Candidate, Judge, Resolved, resolve

VMSD = Vmsd(
    "v",
    1,
    (
        Field("kind", UINT8),
        Field("wide", UINT16, when=Param("wide")),
        Field("n", UINT8),
        Field("values", UINT8, Ref("n"), limit=4, complaint="{got} values"),
    ),
)
NARROW, WIDE = (Candidate(Program(VMSD, {"wide": value}), (("narrow", "wide")[value],)) for value in (0, 1))
BOTH = [NARROW, WIDE]


def ends_at(*places: int) -> Judge:
    return lambda size: size in places


def unknown(size: int) -> None:
    """The bytes behind ``size`` have not come yet."""


def by_kind(record: Record) -> int:
    return int(record["kind"] == record.program.params["wide"])


def test_the_reading_that_ends_where_the_payload_may_end_wins(engine: str) -> None:
    data = b"\x00\x01\x07"  # narrow: one value; wide: it is the second byte of `wide` and no count follows
    found = resolve(BOTH, data, ends_at(3), final=True, engine=engine)
    assert isinstance(found, Resolved)
    assert (found.record["values"], found.size, found.assumed, found.ties) == ((7,), 3, ("narrow",), ())


def test_a_tie_goes_to_the_one_the_values_speak_for_and_is_told(engine: str) -> None:
    data = b"\x01\x00\x00\x00"  # narrow: three bytes less one; wide: all four
    found = resolve(BOTH, data, ends_at(2, 4), final=True, prefer=by_kind, engine=engine)
    assert isinstance(found, Resolved)
    assert (found.assumed, found.ties) == (("wide",), (("narrow",),))
    other = resolve(BOTH, b"\x00" + data[1:], ends_at(2, 4), final=True, prefer=by_kind, engine=engine)
    assert isinstance(other, Resolved)
    assert (other.assumed, other.ties) == (("narrow",), (("wide",),))


def test_nothing_is_assumed_where_the_parameter_changes_nothing(engine: str) -> None:
    plain = Vmsd("p", 1, (Field("x", UINT8),))
    twins = [Candidate(Program(plain, {"p": value}), (f"p is {value}",)) for value in (0, 1)]
    found = resolve(twins, b"\x05", ends_at(1), final=True, engine=engine)
    assert isinstance(found, Resolved)
    assert (found.assumed, found.ties) == ((), ())


def test_more_bytes_are_waited_for_while_one_reading_may_still_fit(engine: str) -> None:
    # narrow wants a second value; wide, which has read 0x0207 as its field, its count
    assert resolve(BOTH, b"\x00\x02\x07", ends_at(9), final=False, engine=engine) == 4
    assert resolve(BOTH, b"\x00\x00", unknown, final=False, engine=engine) == 3


def test_at_the_end_a_reading_that_decodes_is_left_to_the_framing(engine: str) -> None:
    found = resolve(BOTH, b"\x00\x00\x00\x00", ends_at(9), final=True, prefer=by_kind, engine=engine)
    assert isinstance(found, Resolved)
    assert (found.size, found.assumed) == (2, ("narrow",))


def test_the_fault_told_is_that_of_the_reading_the_values_speak_for(engine: str) -> None:
    data = b"\x01\x00\x00\x09"  # narrow decodes as no values at all, but `kind` says wide: nine values
    with pytest.raises(StreamError) as caught:
        resolve(BOTH, data, ends_at(9), final=True, prefer=by_kind, engine=engine)
    assert caught.value.message == "9 values"
    assert (caught.value.field, caught.value.offset) == ("values", 4)
    assert caught.value.record["n"] == 9


def test_among_equals_it_is_that_of_the_one_that_came_furthest(engine: str) -> None:
    with pytest.raises(StreamError) as caught:
        resolve(BOTH, b"\x00\x09\x09\x09", ends_at(9), final=True, engine=engine)
    assert caught.value.offset == 4
    assert caught.value.record.program is WIDE.program


def test_too_many_candidates_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="9 candidates, at most 8"):
        resolve([NARROW] * (CANDIDATES_MAX + 1), b"", unknown, final=True)
