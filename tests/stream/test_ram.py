"""The words of the ram section: vectors by hand, any arrival of the bytes, broken bytes."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ram_arrival import arrive, no_end, whole, wire, words_of
from ram_vectors import DEFLATED, EOS, LIST, PAGE, POSTCOPY, RAM, VECTORS

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.ram import CHUNK_WORDS, Grammar, RamDecoder, RamWords
from vnetmig.stream.ram_read import MAX_BLOCKS
from vnetmig.stream.ram_words import (
    FLAGS,
    Block,
    BlockList,
    CompressedPage,
    EndOfSection,
    Hook,
    MultifdFlush,
    Page,
    Word,
    Xbzrle,
    Zero,
    compress_bound,
    encode_words,
    flags_text,
)

IDS = [name for name, *_ in VECTORS]


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_vector_decodes_to_its_words_and_back(name: str, grammar: Grammar, data: bytes, words: list[Word]) -> None:
    chunks = whole(data, RamDecoder(grammar))
    assert words_of(chunks) == words
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    assert encode_words(words) == data
    assert sum(chunk.size for chunk in chunks) == len(data)


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_vector_may_arrive_byte_by_byte(name: str, grammar: Grammar, data: bytes, words: list[Word]) -> None:
    assert arrive(data, RamDecoder(grammar), repeat(1)) == whole(data, RamDecoder(grammar))


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_wanted_is_never_too_much(name: str, grammar: Grammar, data: bytes, words: list[Word]) -> None:
    decoder = RamDecoder(grammar)
    waits = 0

    def as_wanted() -> Iterator[int]:
        nonlocal waits
        have = 0
        while True:
            wanted = decoder.wanted
            assert wanted > have
            yield wanted - have
            have = wanted
            waits += 1

    assert words_of(arrive(data, decoder, as_wanted())) == words
    assert waits <= 12 * len(words)  # a field at a time, not a byte at a time


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_cut_vector_is_never_a_payload(name: str, grammar: Grammar, data: bytes, words: list[Word]) -> None:
    for end in range(len(data)):
        decoder = RamDecoder(grammar)
        state = (dict(decoder.blocks or {}), decoder.block)
        assert decoder.decode(memoryview(data[:end]), no_end, kind=1, offset=0, final=True) is None
        assert decoder.wanted > end
        assert (decoder.blocks, decoder.block) == state


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_broken_vector_raises_only_stream_errors(name: str, grammar: Grammar, data: bytes, words: list[Word]) -> None:
    rng = random.Random(name)
    for _ in range(2000):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            broken[rng.randrange(min(len(broken), 80))] = rng.choice((0, 1, 0x10, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        check_hostile(bytes(broken), RamDecoder(grammar))


def check_hostile(data: bytes, decoder: RamDecoder) -> None:
    """Whatever ``data`` is: an error of ours, a wish for more, or words that write the same bytes."""
    try:
        result = decoder.decode(memoryview(data), no_end, kind=2, offset=0, final=True)
    except StreamError as error:
        assert 0 <= error.offset <= len(data) and str(error)  # noqa: PT017
    else:
        if result is not None:
            assert result.payload.encode() == data[: result.size]


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_bytes_raise_only_stream_errors(data: bytes, shared: bool, postcopy: bool) -> None:
    decoder = RamDecoder(Grammar(ignore_shared=shared, postcopy=postcopy), {"a": RAM}, block="a")
    check_hostile(data, decoder)


FAULTS: list[tuple[str, str, str, int]] = [
    # what is wrong, the bytes behind a good block list, how the message starts, offset behind the list
    ("two kinds", "0000 0000 0000 000a", "Unknown combination of migration flags: 0xa", 0),
    ("FULL", "0000 0000 0000 0001", "Unknown combination of migration flags: 0x1", 0),
    ("no kind", "0000 0000 0000 1000", "Unknown combination of migration flags: 0x0", 0),
    ("EOS|CONTINUE", "0000 0000 0000 0030", "Unknown combination of migration flags: 0x30", 0),
    ("MEM_SIZE|EOS", "0000 0000 0000 0014", "Unknown combination of migration flags: 0x14", 0),
    ("an unknown bit", "0000 0000 0000 0400", "Unknown combination of migration flags: 0x400", 0),
    ("no block to continue", "0000 0000 0000 0028", "Ack, bad migration stream!", 0),
    ("an unknown block", "0000 0000 0000 0002 01 7a 00", "Can't find block z", 0),
    ("an empty name", "0000 0000 0000 0002 00", 'Unknown ramblock ""', 8),
    ("a page outside", "0000 0000 0001 0002 01 61 00", "Illegal RAM offset 10000", 0),
    ("a page far outside", "ffff ffff ffff f002 01 61 00", "Illegal RAM offset fffffffffffff000", 0),
    (
        "a page outside, not named",
        "0000 0000 0000 0002 02 6263 00  0000 0000 0000 1022 00",
        "Illegal RAM offset 1000",
        12,
    ),
    ("another encoding", "0000 0000 0000 0040 01 61 02 0000", "Failed to load XBZRLE page - wrong", 10),
    ("a long delta", "0000 0000 0000 0040 01 61 01 1001", "Failed to load XBZRLE page - len overflow!", 11),
    (
        "long compressed data",
        "0000 0000 0000 0100 01 61 0000 100f",
        "Invalid compressed data length: 4111",
        10,
    ),
    (
        "negative compressed data",
        "0000 0000 0000 0100 01 61 ffff ffff",
        "Invalid compressed data length: -1",
        10,
    ),
    (
        "blocks longer than their sum",
        "0000 0000 0000 1004 01 61 0000 0000 0000 1001",
        "The RAM blocks are longer than their sum",
        10,
    ),
]


@pytest.mark.parametrize(("name", "tail", "message", "offset"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_told_as_qemu_tells_it(name: str, tail: str, message: str, offset: int) -> None:
    head = wire(LIST)
    decoder = RamDecoder()
    with pytest.raises(StreamError) as caught:
        whole(head + wire(tail + EOS), decoder)
    assert caught.value.message.startswith(message)
    assert caught.value.offset == len(head) + offset
    assert decoder == RamDecoder(), "an error leaves the decoder as it was"


def test_huge_page_sizes_are_powers_of_two() -> None:
    bad = wire("0000 0000 0020 0004 01 61 0000 0000 0020 0000 0000 0000 0030 0000" + EOS)
    with pytest.raises(StreamError, match="Mismatched RAM page size a"):
        whole(bad, RamDecoder(POSTCOPY))


def test_endless_block_lists_end() -> None:
    data = wire("0000 0000 0000 1004") + wire("01 61 0000 0000 0000 0000") * (MAX_BLOCKS + 1)
    with pytest.raises(StreamError, match="Too many RAM blocks"):
        whole(data, RamDecoder())


def test_the_block_of_the_last_page_outlives_its_section() -> None:
    decoder = RamDecoder()
    whole(wire(LIST + "0000 0000 0000 0002 01 61 00" + EOS), decoder)
    assert decoder.block == "a"
    chunks = whole(wire("0000 0000 0000 1022 00" + EOS), decoder)
    assert words_of(chunks) == [Zero("a", 0x1000, 0, False), EndOfSection()]


def test_a_channel_without_block_list() -> None:
    """A postcopy-preempt channel holds words that name blocks nobody told of."""
    data = wire("0000 0000 7fff 0002 01 7a 00 0000 0000 0000 1022 00" + EOS)
    words = words_of(whole(data, RamDecoder(blocks=None)))
    assert words == [Zero("z", 0x7FFF0000, 0, True), Zero("z", 0x1000, 0, False), EndOfSection()]


def test_names_that_are_no_text_survive() -> None:
    data = wire("0000 0000 0000 1004 02 ff80 0000 0000 0000 1000" + EOS)
    chunks = whole(data, RamDecoder())
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data


def test_pages_of_another_target_size() -> None:
    grammar = Grammar(page_size=65536)
    words: list[Word] = [
        BlockList(0x20000, (Block("mach-virt.ram", 0x20000),)),
        Page("mach-virt.ram", 0x10000, bytes(65536), True),
        Zero("mach-virt.ram", 0, 0, False),
        EndOfSection(),
    ]
    data = encode_words(words, 65536)
    chunks = whole(data, RamDecoder(grammar))
    assert words_of(chunks) == words
    assert chunks[0].payload.encode() == data


def test_a_stable_view_is_kept_instead_of_copied() -> None:
    data = wire(LIST + EOS)
    copied = whole(data, RamDecoder())[0]
    view = RamDecoder(stable=True).decode(memoryview(data), no_end, kind=1, offset=0, final=True)
    assert view == copied
    assert view is not None
    assert isinstance(view.payload, RamWords)
    assert view.payload.data.obj is data  # type: ignore[union-attr]
    assert view.payload.encode() == data


def test_flags_have_names() -> None:
    assert flags_text(0x22) == "ZERO|CONTINUE"
    assert flags_text(0x400) == "0x400"
    assert flags_text(0) == "0x0"
    assert [flag.bit for flag in FLAGS] == [1 << n for n in range(10)]


@pytest.mark.parametrize(
    "word",
    [
        Page("a", 0, b"short", True),
        Page("a", 1, PAGE, True),
        Page("a", -4096, PAGE, False),
        Page("a", 1 << 64, PAGE, False),
        Page("", 0, PAGE, True),
        Page("x" * 256, 0, PAGE, True),
        Zero("a", 0, 256, False),
        Xbzrle("a", 0, 1, bytes(4097), False),
        CompressedPage("a", 0, bytes(compress_bound(4096) + 1), False),
        BlockList(1, ()),
        BlockList(0x1000, (Block("a", -1),)),
        EndOfSection(3),
    ],
)
def test_what_no_reader_would_take_is_not_written(word: Word) -> None:
    with pytest.raises(EncodeError):
        encode_words([word])


def test_a_compressed_page_inflates_to_a_page_and_no_more() -> None:
    assert CompressedPage("a", 0, DEFLATED, True).page() == PAGE
    for bad in (zlib.compress(PAGE + b"x"), zlib.compress(bytes(1 << 20)), DEFLATED[:-9], b"junk", b""):
        with pytest.raises(StreamError, match="decompress data failed"):
            CompressedPage("a", 0, bad, True).page()


NAMES = st.sampled_from(["a", "bc"])
ADDRESSES = st.integers(0, 15).map(lambda page: page * 4096)


@st.composite
def payloads(draw: st.DrawFn) -> list[Word]:
    words: list[Word] = [BlockList(0x20000, (RAM, Block("bc", 0x10000)))]
    block: str | None = None
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from("pzzzxcmh"))
        if kind == "m":
            words.append(MultifdFlush())
            continue
        if kind == "h":
            words.append(Hook())
            continue
        named = block is None or draw(st.booleans())
        block = draw(NAMES) if named or block is None else block
        address = draw(ADDRESSES)
        if kind == "p":
            words.append(Page(block, address, bytes([draw(st.integers(0, 255))]) * 4096, named))
        elif kind == "z":
            run = draw(st.integers(1, 300))
            words.append(Zero(block, address, 0, named))
            words += [Zero(block, address, 0, False)] * (run - 1)
        elif kind == "x":
            words.append(Xbzrle(block, address, 1, draw(st.binary(max_size=20)), named))
        else:
            words.append(CompressedPage(block, address, draw(st.binary(max_size=20)), named))
    words.append(EndOfSection())
    return words


@settings(max_examples=60, deadline=None)
@given(payloads(), st.lists(st.integers(1, 5000), max_size=40))
def test_chunks_do_not_depend_on_how_bytes_arrive(words: list[Word], sizes: list[int]) -> None:
    data = encode_words(words)
    at_once = whole(data, RamDecoder())
    assert words_of(at_once) == words
    pieces = arrive(data, RamDecoder(), iter([*sizes, len(data)]))
    assert pieces == at_once
    assert [part.payload.kinds() for part in pieces] == [chunk.payload.kinds() for chunk in at_once]  # type: ignore[attr-defined]
    for chunk in at_once:
        assert isinstance(chunk.payload, RamWords)
        assert chunk.payload.count == len(list(chunk.payload.words()))
        assert chunk.payload.kinds() == Counter(type(word).__name__ for word in chunk.payload.words())
        assert chunk.payload.count == CHUNK_WORDS or chunk.last
    assert b"".join(chunk.payload.encode() for chunk in at_once) == data


def test_a_chunk_ends_at_its_word_count_or_with_the_payload() -> None:
    for zeros in (CHUNK_WORDS - 2, CHUNK_WORDS - 1, CHUNK_WORDS, 3 * CHUNK_WORDS):
        words: list[Word] = [BlockList(0x10000, (RAM,)), Zero("a", 0, 0, True)]
        words += [Zero("a", 0, 0, False)] * (zeros - len(words))
        chunks = whole(encode_words([*words, EndOfSection()]), RamDecoder())
        counts = [chunk.payload.count for chunk in chunks]  # type: ignore[attr-defined]
        assert counts == [CHUNK_WORDS] * ((zeros + 1) // CHUNK_WORDS) + [(zeros + 1) % CHUNK_WORDS] * bool(
            (zeros + 1) % CHUNK_WORDS
        )
        assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_words_made_by_hand_that_end_inside_of_one() -> None:
    with pytest.raises(StreamError, match="RAM words end inside a word"):
        list(RamWords((0x02).to_bytes(8, "big") + b"\x06pc", 1).words())
