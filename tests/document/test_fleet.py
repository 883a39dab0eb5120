"""Many streams, one after the other: what they share is found again, bounded, and nobody's own; the rest is let go."""

from __future__ import annotations

import gc
import os
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fleet import guests, mac, of_kind
from real_streams import committed, document, every_capture, read

import vnetmig
from vnetmig.document.incoming import Incoming
from vnetmig.document.stream import Stream
from vnetmig.stream.device_state import DeviceState
from vnetmig.stream.events import Event, SectionPayload
from vnetmig.stream.outline import KEPT, outline
from vnetmig.stream.reader import StreamReader

NAME = "linux-user-legacy-q72"
KINDS, GUESTS = 25, 2


def fleet(number: int) -> list[tuple[int, int]]:
    """(guest, kind) of ``number`` streams."""
    return [(index % GUESTS, index % KINDS) for index in range(number)]


def streams() -> dict[tuple[int, int], bytes]:
    return {key: of_kind(guests(NAME, GUESTS)[key[0]], key[1]) for key in set(fleet(GUESTS * KINDS))}


def test_each_stream_has_its_own_values_and_its_own_text() -> None:
    for (guest, kind), data in list(streams().items())[::5]:
        stream = vnetmig.load(data)
        assert stream.nets()[0].mac == mac(guest)
        assert stream.description is not None
        assert b"cpu_ticks_of%04d" % kind in stream.description.text
        assert f"cpu_ticks_of{kind:04d}" in stream.device("timer").fields()
        assert stream.encode() == data


def test_a_change_stays_in_its_stream() -> None:
    data = guests(NAME, 1)[0]
    first, second = vnetmig.load(data), vnetmig.load(data)
    first.device("timer")["cpu_clock_offset"] = 7
    first.nets()[0].mac = "52:54:00:aa:bb:cc"
    assert second.encode() == data
    assert vnetmig.load(data).encode() == data
    assert vnetmig.load(first.encode()).device("timer")["cpu_clock_offset"] == 7


def test_a_stream_that_nobody_holds_is_gone_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        stream = vnetmig.load(guests(NAME, 1)[0])
        assert all(section.device is not None or section.idstr == "ram" for section in stream.sections)
        assert stream.memory is None  # shared with the destination, and not in the stream
        (net,) = stream.nets()
        assert net.queues
        gone = [weakref.ref(held) for held in (stream.sections[0], net)]
        del stream, net
        assert [held() for held in gone] == [None, None]
    finally:
        gc.enable()


def test_a_device_outlives_its_stream() -> None:
    (net,) = vnetmig.load(guests(NAME, 1)[0]).nets()
    assert net.mac == mac(0)
    assert net.section.device is net
    assert net.queues[0].num == 256


def test_memory_does_not_grow() -> None:
    made = streams()
    for key in fleet(GUESTS * KINDS):
        assert vnetmig.load(made[key]).nets()[0].mac
    gc.collect()
    gc.disable()  # nothing may wait for a collection
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for key in fleet(20 * KINDS):
            assert vnetmig.load(made[key]).nets()[0].mac
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    size = len(made[0, 0])
    assert after - before < size
    assert peak - before < 4 * size


def test_more_kinds_than_are_kept() -> None:
    data = guests(NAME, 1)[0]
    for kind in range(KEPT + 10):
        assert vnetmig.load(of_kind(data, kind)).nets()[0].mac == mac(0)
    assert len(outline) <= KEPT


def told(stream: Stream) -> object:
    return stream.nets()[0].mac, [section.span for section in stream.sections], stream.description.text  # type: ignore[union-attr]


def test_from_many_threads() -> None:
    made = streams()
    expected = {key: told(vnetmig.load(data)) for key, data in made.items()}
    with ThreadPoolExecutor(8) as pool:
        work = [key for key in made for _ in range(2)]
        for key, found in zip(work, pool.map(lambda key: told(vnetmig.load(made[key])), work), strict=True):
            assert found == expected[key]


def test_threads_that_look_into_one_stream_see_the_same_sections() -> None:
    for _ in range(20):
        stream = vnetmig.load(guests(NAME, 1)[0])
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(lambda _, stream=stream: [id(s) for s in stream.sections], range(8)))
        assert len(set(map(tuple, seen))) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_in_a_forked_process() -> None:
    made = streams()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(any(vnetmig.load(data).nets()[0].mac != mac(key[0]) for key, data in made.items()))
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


# Rows.


def one_by_one(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """``data`` read without rows."""
    with monkeypatch.context() as patch:
        patch.setattr(StreamReader, "next_row", lambda reader: None)
        return vnetmig.load(data, partial=True)


def plain(event: Event) -> object:
    """The event, for comparison: payloads by their bytes."""
    if not isinstance(event, SectionPayload):
        return event
    state = event.payload
    told = (state.assumed, state.ties, state.record.program.params) if isinstance(state, DeviceState) else type(state)
    return event.offset, event.size, event.last, event.assumed, told, state.encode()


def same(found: Stream, expected: Stream) -> None:
    assert str(found.error) == str(expected.error)
    assert list(map(plain, found.events)) == list(map(plain, expected.events))
    for one, other in zip(found.sections, expected.sections, strict=True):
        assert (one.span, one.assumed, one.description) == (other.span, other.assumed, other.description)
    assert repr(found.failed) == repr(expected.failed)


@every_capture
def test_a_row_gives_what_its_sections_give_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = read(folder)
    same(vnetmig.load(data, partial=True), one_by_one(data, monkeypatch))


def test_most_sections_come_in_rows() -> None:
    rows: list[int] = []

    class Counting(Stream):
        def append_row(self, row: object) -> None:
            rows.append(len(row.places))  # type: ignore[attr-defined]
            super().append_row(row)  # type: ignore[arg-type]

    data = read(committed(NAME))
    described = vnetmig.load(data).description
    incoming = Incoming(Counting(), described)
    incoming.begin(data)
    while incoming.step():
        pass
    assert sum(rows) > 0.8 * len(incoming.stream.sections)
    same(incoming.stream, document(committed(NAME)))


def test_damage_between_payloads_is_found_as_without_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte of framing around the first sections of a row, and a cut there."""
    data = read(committed(NAME))
    places: set[int] = set()
    for section in vnetmig.load(data).sections[3:6]:
        (start, end), (begin, behind) = section.payload_span, section.span
        places.update((*range(begin, start), *range(end, behind)))
    for at in sorted(places):
        damaged = bytearray(data)
        damaged[at] ^= 0x41
        for broken in (bytes(damaged), data[:at]):
            same(vnetmig.load(broken, partial=True), one_by_one(broken, monkeypatch))
