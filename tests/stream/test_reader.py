"""The reader: any arrival of the bytes, how it finds the end of a payload, broken bytes, real captures."""

from __future__ import annotations

import mmap
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping, PostcopyAdvise
from vnetmig.stream.configuration import Capabilities, Uuid
from vnetmig.stream.cursor import Buffer
from vnetmig.stream.events import (
    Configuration,
    Event,
    FileHeader,
    SectionFooter,
    SectionPayload,
    SectionStart,
    Trailing,
)
from vnetmig.stream.framing import Limits
from vnetmig.stream.payload import Decoded, Decoder, DecoderFor, Ends, Raw, SectionHeader
from vnetmig.stream.reader import NEED_DATA, NeedData, StreamReader, read_events
from vnetmig.stream.states import State
from vnetmig.stream.vmdescription import Description
from vnetmig.stream.writer import StreamWriter

END_WORD = (16).to_bytes(8, "big")


class Words:
    """A stand-in for RAM: eight bytes at a time up to the end word, one part for each."""

    def __init__(self) -> None:
        self.wanted = 8
        self.calls = 0

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        self.calls += 1
        if len(data) < 8:
            self.wanted = 8
            return None
        word = bytes(data[:8])
        if word[0] == 0xFF:
            raise StreamError("a word of the wrong kind", offset=0, got=word.hex())
        return Decoded(8, Raw(word), word == END_WORD)


class Blind:
    """A decoder that cannot say how much it needs: it takes all up to the first position that ends fit."""

    def __init__(self) -> None:
        self.wanted = 0
        self.calls = 0

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        self.calls += 1
        for position in range(len(data) + 1):
            here = ends(position)
            if here:
                return Decoded(position, Raw(bytes(data[:position])))
            if here is None:  # it may be the end: a later one must not win because it came in time
                break
        return None


def words(header: SectionHeader) -> Decoder | None:
    return Words() if header.idstr == "ram" else None


def blind(header: SectionHeader) -> Decoder | None:
    return Words() if header.idstr == "ram" else Blind()


def make(*, footers: bool = True, description: bool = True, trap: bool = False) -> bytes:
    """A stream with one of everything. ``trap``: with an own footer where the payload does not end."""
    writer = StreamWriter(footers=footers)
    out = [writer.header()]
    if footers:
        out.append(writer.configuration("pc-q35-7.2", [Uuid(bytes(16)), Capabilities(("x-ignore-shared",))]))
    out += [writer.command(framing.OPEN_RETURN_PATH), writer.command(framing.PING, Ping(1))]
    out += [writer.command(framing.POSTCOPY_ADVISE, PostcopyAdvise(4096, 4096))]
    out += [writer.start(2, "ram", 0, 4), writer.payload(b"\0" * 16 + END_WORD), writer.footer()]
    for filler in (b"A" * 64, b"\x7e\0\0\0\2" * 8 + b"\0" * 8):
        out += [writer.part(2), writer.payload(filler + END_WORD), writer.footer()]
    out += [writer.command(framing.SWITCHOVER_START)]
    out += [writer.end(2), writer.payload(END_WORD), writer.footer()]
    for number, payload in ((7, bytes(24)), (9, b""), (11, b"\x7e\0\0\0" + bytes((11 if trap else 12,)) + b"\x7e" * 9)):
        out += [writer.full(number, "timer", number, 2), writer.payload(payload), writer.footer()]
    inner = writer.command(framing.POSTCOPY_LISTEN) + writer.full(12, "apic", 0, 3) + writer.payload(b"\1" * 9)
    inner += writer.footer() + writer.command(framing.POSTCOPY_RUN)
    out += [writer.package(inner), writer.command(framing.PING, Ping(4))]
    out += [writer.part(2), writer.payload(b"B" * 8 + END_WORD), writer.footer(), writer.eof()]
    if description:
        out.append(writer.vmdescription(Description(b'{"page_size": 4096, "devices": []}')))
    return b"".join(out)


LENGTHS = {("timer", 7): [24], ("timer", 9): [0], ("timer", 11): [14], ("apic", 0): [9]}


def read(
    pieces: Iterable[Buffer],
    decoder_for: DecoderFor = words,
    lengths: dict[tuple[str, int], list[int]] | None = None,
    limits: Limits = Limits(),  # noqa: B008
) -> list[Event]:
    return list(read_events(pieces, decoder_for, lengths, limits))


def encode(events: Sequence[Event]) -> bytes:
    return b"".join(event.encode() for event in events)


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def split(data: bytes, seed: int, pieces: int) -> list[bytes]:
    cuts = sorted(random.Random(seed).choices(range(len(data) + 1), k=pieces))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("decoder_for", [words, blind])
def test_any_arrival_gives_the_same_events(decoder_for: Callable[[SectionHeader], Decoder | None]) -> None:
    data = make(trap=decoder_for is words) + b"behind"
    whole = read([data], decoder_for)
    assert encode(whole) == data
    assert [event.offset for event in whole] == sorted(event.offset for event in whole)
    assert sum(event.size for event in whole) == len(data)
    assert read(one_by_one(data), decoder_for) == whole
    assert read([bytearray(data)], decoder_for) == whole
    for seed in range(50):
        assert read(split(data, seed, 7), decoder_for) == whole


def test_each_way_to_find_an_end_gives_the_same_payloads() -> None:
    data = make()
    assert len(read([make(trap=True)])) == len(read([data]))
    assumed = read([data])
    measured = read([data], lengths=LENGTHS)
    decoded = read([data], blind)
    plain = [replace(event, assumed=False) if isinstance(event, SectionPayload) else event for event in assumed]
    assert sum(event.assumed for event in assumed if isinstance(event, SectionPayload)) == 4
    assert measured == plain
    assert decoded == plain


def test_sections_know_their_start() -> None:
    headers = [event.header for event in read([make()]) if isinstance(event, SectionStart)]
    assert [header.type for header in headers] == [1, 2, 2, 3, 4, 4, 4, 4, 2]
    assert {(header.section_id, header.idstr, header.version_id) for header in headers if header.type != 4} == {
        (2, "ram", 4)
    }
    parts = [event for event in read([make()]) if isinstance(event, SectionPayload) and not event.last]
    assert len(parts) == 2 + 8 + 6 + 1


@pytest.mark.parametrize("decoder_for", [words, blind])
def test_every_truncation_is_an_error_with_a_place(
    decoder_for: Callable[[SectionHeader], Decoder | None],
) -> None:
    data = make(description=False)
    for length in range(len(data)):
        with pytest.raises(StreamError) as caught:
            read([data[:length]], decoder_for)
        assert caught.value.code == "truncated", length
        assert 0 <= caught.value.offset <= length
        with pytest.raises(StreamError) as again:
            read(one_by_one(data[:length]), decoder_for)
        assert str(again.value) == str(caught.value)


def test_everything_before_the_fault_is_handed_out_and_the_error_stays() -> None:
    data = make()
    whole = read([data])
    reader = StreamReader(words)
    reader.feed(data[: data.index(b"A" * 64) + 20])
    found = []
    while (event := reader.next_event()) is not NEED_DATA:
        found.append(event)
    assert found == whole[: len(found)]
    reader.close()
    for _ in range(2):
        with pytest.raises(StreamError, match="Input/output error") as caught:
            reader.next_event()
    assert caught.value.section == "ram"
    assert reader.offset == found[-1].offset + found[-1].size  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="after close"):
        reader.feed(b"more")


# Streams of old machine types: no configuration, no footers.


def test_without_footers_ends_are_where_a_section_may_start() -> None:
    data = make(footers=False)
    events = read([data], blind)
    assert encode(events) == data
    assert not any(isinstance(event, SectionFooter | Configuration) for event in events)
    assert read(one_by_one(data), blind) == events
    assert read([data], lengths=LENGTHS) == events
    sizes = [event.size for event in events if isinstance(event, SectionPayload) and event.last]
    assert sizes == [8, 8, 8, 8, 24, 0, 14, 9, 8]


def test_without_footers_a_known_length_decides_for_a_decoder_too() -> None:
    writer = StreamWriter(footers=False)
    data = writer.header() + writer.start(2, "ram", 0, 4) + writer.payload(END_WORD) + writer.footer()
    decoy = b"\4\0\0\0\0\1a" + bytes(8)  # looks like the header of the next section
    data += writer.full(7, "timer", 7, 2) + writer.payload(decoy + b"rest") + writer.footer() + writer.eof()
    lengths = {("timer", 7): [len(decoy) + 4]}
    for pieces in ([data], one_by_one(data)):
        events = read(pieces, blind, lengths)
        assert encode(events) == data
        assert [event.size for event in events if isinstance(event, SectionPayload)] == [8, len(decoy) + 4]
        assert read(pieces, words, lengths) == events
    with pytest.raises(StreamError, match="Payload of timer has no end within the limit"):
        read([data], words, lengths, Limits(payload=10))
    with pytest.raises(StreamError, match="Input/output error"):
        read([data], words, {("timer", 7): [100]})


def test_without_footers_an_unknown_section_is_refused_with_the_reason() -> None:
    with pytest.raises(StreamError, match=r"Unknown savevm section or instance 'timer' 7") as caught:
        read([make(footers=False)])
    assert caught.value.expected == "a decoder, a vmdescription or section footers"


def test_ram_is_never_searched_for_a_footer() -> None:
    with pytest.raises(StreamError, match="Unknown savevm section or instance 'ram' 0"):
        read([make()], lambda header: None)


def test_configuration_and_footers_are_two_properties() -> None:
    """migration.send-section-footer=off alone, and send-configuration=off alone."""
    full, bare = make(), make(footers=False)
    head = full[: full.index(b"\x08\0\1")]
    mixed = head + bare[8:]
    events = read([mixed], blind)
    assert encode(events) == mixed
    assert isinstance(events[1], Configuration)
    assert not any(isinstance(event, SectionFooter) for event in events)
    assert read(one_by_one(mixed), blind) == events
    mixed = full[:8] + full[len(head) :]
    events = read([mixed], blind)
    assert encode(events) == mixed
    assert any(isinstance(event, SectionFooter) for event in events)
    assert read(one_by_one(mixed), blind) == events


def test_footers_are_known_once_one_was_due() -> None:
    for data, known in ((make(), True), (make(footers=False), False)):
        reader = StreamReader(blind)
        assert reader.footers is None
        reader.feed(data)
        reader.close()
        while reader.next_event() is not None:
            pass
        assert reader.footers is known


# Footers that are wrong.


def damaged(old: bytes, new: bytes) -> bytes:
    data = make()
    assert data.count(old) == 1
    return data.replace(old, new)


APIC_END = b"\1" * 9 + b"\x7e\0\0\0\x0c"


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (b"\1" * 9 + b"\x7e\0\0\1\x0c", "Mismatched section id in footer for apic - read 0x10c expected 0xc"),
        (b"\1" * 9 + b"\0\0\0\0\x0c", "Missing section footer for apic"),
        (b"\1" * 8 + b"\x7e\0\0\0\x0c", "Missing section footer for apic"),
        (b"\1" * 10 + b"\x7e\0\0\0\x0c", "Missing section footer for apic"),
    ],
)
def test_wrong_footers_in_qemus_words(new: bytes, message: str) -> None:
    class Nine(Words):
        def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
            self.wanted = 9
            return Decoded(9, Raw(bytes(data[:9]))) if len(data) >= 9 else None

    data = damaged(APIC_END, new)
    with pytest.raises(StreamError) as caught:
        read([data], lambda header: Nine() if header.idstr == "apic" else words(header))
    assert str(caught.value).startswith(message)
    assert caught.value.section == "apic"


def test_what_is_wrong_behind_an_unknown_section_is_reported_there() -> None:
    data = damaged(bytes(24) + b"\x7e\0\0\0\x07\x04", bytes(24) + b"\x7e\0\0\0\x07\x09")
    with pytest.raises(StreamError, match="Unknown savevm section type 9"):
        read([data])
    with pytest.raises(StreamError, match="Unknown savevm section type 9"):
        read(one_by_one(data))


def test_a_vmdescription_may_be_wrong_about_a_length() -> None:
    """QEMU describes arrays that hold null pointers with wrong lengths; the footer has the last word."""
    data = make()
    for wrong in (0, 3, 25, 1000, 1 << 40):
        events = read([data], lengths={**LENGTHS, ("timer", 7): [wrong]})
        assert encode(events) == data
        assert sum(event.assumed for event in events if isinstance(event, SectionPayload)) == 1
        assert read(one_by_one(data), lengths={**LENGTHS, ("timer", 7): [wrong]}) == events


def test_a_decoder_names_the_place_of_its_errors() -> None:
    data = damaged(b"A" * 64, b"A" * 32 + b"\xff" * 8 + b"A" * 24)
    with pytest.raises(StreamError, match="a word of the wrong kind") as caught:
        read([data])
    assert (caught.value.offset, caught.value.section) == (data.index(b"\xff" * 8), "ram")


# How often decoders are asked, and how much is kept.


def test_a_decoder_that_knows_is_asked_once_per_part() -> None:
    asked = Words()
    data = make()
    events = read(one_by_one(data), lambda header: asked if header.idstr == "ram" else None)
    parts = [event for event in events if isinstance(event, SectionPayload) and not event.assumed]
    payloads = [event for event in parts if event.last]
    # Behind its own header, a section is asked once with no bytes at all.
    assert asked.calls <= 2 * len(parts) + len(payloads)


def test_a_blind_decoder_is_asked_when_the_bytes_double_or_a_footer_comes() -> None:
    asked = Blind()
    writer = StreamWriter()
    data = writer.header() + writer.configuration("pc") + writer.full(7, "a", 0, 1)
    data += writer.payload(bytes(10_000)) + writer.footer() + writer.eof()
    events = read(one_by_one(data), lambda header: asked)
    assert encode(events) == data
    assert asked.calls <= 20


def test_a_payload_made_of_footers_costs_no_decode_per_footer() -> None:
    asked = Blind()
    asked.decode = lambda data, ends, **rest: setattr(asked, "calls", asked.calls + 1)  # type: ignore[method-assign]
    writer = StreamWriter()
    data = writer.header() + writer.configuration("pc") + writer.full(7, "a", 0, 1)
    with pytest.raises(StreamError, match="Input/output error"):
        read(one_by_one(data + b"\x7e\0\0\0\7" * 2000), lambda header: asked)
    assert asked.calls <= 40


@pytest.mark.parametrize("decoder_for", [words, blind])
@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_payload_without_end_is_refused_at_the_limit(
    decoder_for: Callable[[SectionHeader], Decoder | None], size: int
) -> None:
    writer = StreamWriter()
    head = writer.header() + writer.configuration("pc") + writer.full(7, "a", 0, 1)
    reader = StreamReader(decoder_for, limits=Limits(payload=1000))
    fed = 0
    with pytest.raises(StreamError, match="Payload of a has no end within the limit") as caught:  # noqa: PT012
        reader.feed(head)
        while fed < 300_000:
            while isinstance(reader.next_event(), FileHeader | Configuration | SectionStart):
                pass
            reader.feed(bytes(size))
            fed += size
    assert caught.value.code == "limit"
    assert fed <= 4 * 1000 + size


def test_a_decoder_may_not_ask_for_more_than_the_limit() -> None:
    asked = Words()
    asked.decode = lambda data, ends, **rest: setattr(asked, "wanted", 1 << 60)  # type: ignore[method-assign]
    with pytest.raises(StreamError, match="no end within the limit"):
        read([make()], lambda header: asked)


def test_a_decoder_that_makes_no_progress_is_stopped() -> None:
    asked = Words()
    for decoded in (Decoded(0, Raw(b""), last=False), Decoded(1 << 30, Raw(b""))):
        asked.decode = lambda data, ends, decoded=decoded, **rest: decoded  # type: ignore[method-assign]
        with pytest.raises(StreamError, match="The decoder of ram took"):
            read([make()], lambda header: asked)


def test_no_more_live_sections_than_the_limit() -> None:
    writer = StreamWriter()
    data = writer.header() + writer.configuration("pc")
    for number in range(5):
        data += writer.start(number, "a", number, 1) + writer.payload(b"") + writer.footer()
    with pytest.raises(StreamError, match="Too many START sections"):
        read([data], limits=Limits(live_sections=4))
    assert len(read([data + b"\0"], limits=Limits(live_sections=5))) == 2 + 3 * 5 + 1


def test_trailing_bytes_come_in_fixed_pieces() -> None:
    data = make() + bytes(framing.TRAILING_CHUNK * 2 + 5)
    whole = read([data])
    assert [event.size for event in whole if isinstance(event, Trailing)] == [1 << 20, 1 << 20, 5]
    assert read(split(data, 3, 9)) == whole


def test_views_that_a_decoder_keeps_stay_valid() -> None:
    """RamDecoder(stable=True) keeps them; a reader that has to move its bytes must not care."""

    class Keeping(Words):
        def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
            decoded = super().decode(data, ends, kind=kind, offset=offset, final=final)
            if decoded is None:
                return None
            return replace(decoded, payload=Kept(data[:8]))

    class Kept:
        def __init__(self, view: memoryview) -> None:
            self.view = view

        def encode(self) -> bytes:
            return bytes(self.view)

    writer = StreamWriter()
    data = writer.header() + writer.configuration("pc") + writer.start(2, "ram", 0, 4)
    data += writer.payload(random.Random(1).randbytes(1 << 18).replace(b"\xff", b"\0") + END_WORD) + writer.footer()
    data += writer.eof()
    every: list[list[Buffer]] = [[data], [bytearray(data)], [*split(data, 1, 30)]]
    for pieces in every:
        assert encode(read(pieces, lambda header: Keeping())) == data
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        events = read([mapped], lambda header: Keeping())
        assert encode(events) == data
        first = next(event for event in events if isinstance(event, SectionPayload))
        assert first.payload.view.obj is mapped  # type: ignore[attr-defined]


def test_waiting_is_cheap() -> None:
    """Nothing is looked at before the known minimum has arrived."""
    reader = StreamReader(words, lengths={("timer", 7): [1 << 20]})
    data = make()
    reader.feed(data[: data.index(b"\5timer") + 14])
    while not isinstance(reader.next_event(), NeedData):
        pass
    reader._step = None  # type: ignore[method-assign, assignment]
    for _ in range(1000):
        reader.feed(b"\0")
        assert reader.next_event() is NEED_DATA


# Anything at all.


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_any_flip_or_cut_is_read_back_or_refused(data: st.DataObject) -> None:
    original = make(footers=data.draw(st.booleans()))
    broken = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(broken) - 1))
        change = data.draw(st.sampled_from(["flip", "set", "insert", "delete", "cut"]))
        if change == "flip":
            broken[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "set":
            broken[at] = data.draw(st.sampled_from([0, 1, 2, 4, 5, 6, 7, 8, 0x7E, 0xFF]))
        elif change == "insert":
            broken[at:at] = data.draw(st.binary(min_size=1, max_size=9))
        elif change == "delete":
            del broken[at : at + data.draw(st.integers(1, 9))]
        else:
            del broken[at:]
        if not broken:
            break
    same_everywhere(bytes(broken), data.draw(st.sampled_from([words, blind])))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_behind_a_header_are_read_back_or_refused(noise: bytes) -> None:
    same_everywhere(b"QEVM\0\0\0\3" + noise, blind)


def outcome(pieces: Iterable[Buffer], decoder_for: DecoderFor) -> tuple[list[Event], StreamError | None]:
    """All events up to the end or the fault."""
    found: list[Event] = []
    try:
        for event in read_events(pieces, decoder_for):
            found.append(event)
    except StreamError as error:
        return found, error
    return found, None


def same_everywhere(data: bytes, decoder_for: DecoderFor) -> None:
    events, error = outcome([data], decoder_for)
    if error is None:
        assert encode(events) == data
    else:
        assert 0 <= error.offset <= len(data)
    for pieces in (one_by_one(data), split(data, len(data), 5)):
        again, same = outcome(pieces, decoder_for)
        assert again == events
        assert str(same) == str(error)


def test_a_section_that_is_refused_ends_a_row_and_raises_behind_it() -> None:
    def refuse(header: SectionHeader) -> None:
        if header.idstr == "c":
            raise StreamError("not this one")

    writer = StreamWriter()
    stream = writer.header() + writer.configuration("pc-q35-10.0")
    for number, name in enumerate("abc"):
        stream += writer.full(number, name, 0, 1) + writer.payload(b"\5") + writer.footer()
    reader = StreamReader(refuse, {(name, 0): [1] for name in "abc"})
    reader.feed(stream + writer.eof())
    while reader.footers is not True or reader.state is not State.SECTION:
        reader.next_event()
    row = reader.next_row()
    assert row is not None and len(row.places) == 1
    with pytest.raises(StreamError, match="not this one"):
        reader.next_event()
