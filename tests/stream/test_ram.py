"""The words of the ram section: vectors by hand, any arrival of the bytes, broken bytes, real captures."""

from __future__ import annotations

import lzma
import os
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.payload import Decoded
from vnetmig.stream.ram import CHUNK_WORDS, Grammar, RamDecoder, RamWords
from vnetmig.stream.ram_read import MAX_BLOCKS
from vnetmig.stream.ram_scan import scan_words
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
from vnetmig.stream.xbzrle import xbzrle_apply, xbzrle_encode

PAGE = bytes(range(256)) * 16
DEFLATED = zlib.compress(PAGE)
PLAIN = Grammar()
SHARED = Grammar(ignore_shared=True)
POSTCOPY = Grammar(postcopy=True)
BOTH = Grammar(ignore_shared=True, postcopy=True)
RAM = Block("a", 0x10000)


def wire(text: str) -> bytes:
    """Annotated hex, one field per line; what stands behind # is for people."""
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


def no_end(position: int) -> bool | None:
    return None


LIST = """
    0000 0000 0001 1004     # total 0x11000 | MEM_SIZE
    01 61                   # "a"
    0000 0000 0001 0000     #   used_length
    02 6263                 # "bc"
    0000 0000 0000 1000     #   used_length
"""
EOS = """
    0000 0000 0000 0010     # EOS
"""
HUGE = 0x200000

VECTORS: list[tuple[str, Grammar, bytes, list[Word]]] = [
    (
        "block list",
        PLAIN,
        wire(LIST + EOS),
        [BlockList(0x11000, (RAM, Block("bc", 0x1000))), EndOfSection()],
    ),
    (
        "an empty block list",
        PLAIN,
        wire("0000 0000 0000 0004" + EOS),
        [BlockList(0, ()), EndOfSection()],
    ),
    (
        "MULTIFD_FLUSH and HOOK",
        PLAIN,
        wire(
            """
            0000 0000 0000 0200     # MULTIFD_FLUSH
            0000 0000 0000 0080     # HOOK
        """
            + EOS
        ),
        [MultifdFlush(), Hook(), EndOfSection()],
    ),
    (
        "addresses that QEMU does not write are kept",
        PLAIN,
        wire("0000 0000 0000 5200 0000 0000 0000 6010"),
        [MultifdFlush(0x5000), EndOfSection(0x6000)],
    ),
    (
        "zero pages",
        PLAIN,
        wire(
            LIST
            + """
            0000 0000 0000 f002     # 0xf000 | ZERO
            01 61                   #   "a"
            00                      #   fill
            0000 0000 0000 0022     # 0 | ZERO|CONTINUE
            07                      #   fill that QEMU <= 7.2 loads
            0000 0000 0000 0002     # 0 | ZERO
            02 6263                 #   "bc"
            00                      #   fill
        """
            + EOS
        ),
        [
            BlockList(0x11000, (RAM, Block("bc", 0x1000))),
            Zero("a", 0xF000, 0, True),
            Zero("a", 0, 7, False),
            Zero("bc", 0, 0, True),
            EndOfSection(),
        ],
    ),
    (
        "pages",
        PLAIN,
        wire(LIST + "0000 0000 0000 1008  01 61" + PAGE.hex() + "0000 0000 0000 2028" + PAGE.hex() + EOS),
        [
            BlockList(0x11000, (RAM, Block("bc", 0x1000))),
            Page("a", 0x1000, PAGE, True),
            Page("a", 0x2000, PAGE, False),
            EndOfSection(),
        ],
    ),
    (
        "XBZRLE",
        PLAIN,
        wire(
            LIST
            + """
            0000 0000 0000 1040     # 0x1000 | XBZRLE
            01 61                   #   "a"
            01                      #   encoding
            0005                    #   length
            02 03 616263            #   keep 2, replace 3
            0000 0000 0000 1060     # 0x1000 | XBZRLE|CONTINUE
            01 0000                 #   encoding, no delta at all
        """
            + EOS
        ),
        [
            BlockList(0x11000, (RAM, Block("bc", 0x1000))),
            Xbzrle("a", 0x1000, 1, b"\x02\x03abc", True),
            Xbzrle("a", 0x1000, 1, b"", False),
            EndOfSection(),
        ],
    ),
    (
        "COMPRESS_PAGE",
        PLAIN,
        wire(
            LIST
            + "0000 0000 0000 3100  01 61"
            + struct.pack(">I", len(DEFLATED)).hex()
            + DEFLATED.hex()
            + EOS
        ),
        [
            BlockList(0x11000, (RAM, Block("bc", 0x1000))),
            CompressedPage("a", 0x3000, DEFLATED, True),
            EndOfSection(),
        ],
    ),
    (
        "guest addresses (x-ignore-shared)",
        SHARED,
        wire(
            """
            0000 0000 0000 2004     # total | MEM_SIZE
            01 61                   # "a"
            0000 0000 0000 1000     #   used_length
            0000 0000 0000 0000     #   gpa
            01 62                   # "b"
            0000 0000 0000 1000     #   used_length
            0000 0000 fffc 0000     #   gpa
        """
            + EOS
        ),
        [
            BlockList(0x2000, (Block("a", 0x1000, gpa=0), Block("b", 0x1000, gpa=0xFFFC0000))),
            EndOfSection(),
        ],
    ),
    (
        "page sizes of huge-page blocks only (postcopy)",
        POSTCOPY,
        wire(
            """
            0000 0000 0040 1004     # total | MEM_SIZE
            01 61                   # "a"
            0000 0000 0020 0000     #   used_length
            0000 0000 0020 0000     #   page_size
            01 62                   # "b": no page_size
            0000 0000 0000 1000     #   used_length
            01 63                   # "c"
            0000 0000 0020 0000     #   used_length
            0000 0000 0020 0000     #   page_size
        """
            + EOS
        ),
        [
            BlockList(0x401000, (Block("a", HUGE, HUGE), Block("b", 0x1000), Block("c", HUGE, HUGE))),
            EndOfSection(),
        ],
    ),
    (
        "postcopy without huge pages, a flush behind the list",
        POSTCOPY,
        wire(LIST + "0000 0000 0000 0200" + EOS),
        [BlockList(0x11000, (RAM, Block("bc", 0x1000))), MultifdFlush(), EndOfSection()],
    ),
    (
        "page sizes and guest addresses",
        BOTH,
        wire(
            """
            0000 0000 0040 1004     # total | MEM_SIZE
            01 61                   # "a"
            0000 0000 0020 0000     #   used_length
            0000 0000 0020 0000     #   page_size
            0000 0000 0000 0000     #   gpa
            01 62                   # "b": no page_size
            0000 0000 0000 1000     #   used_length
            0000 0000 000c 0000     #   gpa
            01 63                   # "c"
            0000 0000 0020 0000     #   used_length
            0000 0000 0020 0000     #   page_size
            0000 0001 0000 0000     #   gpa
        """
            + EOS
        ),
        [
            BlockList(
                0x401000,
                (
                    Block("a", HUGE, HUGE, 0),
                    Block("b", 0x1000, None, 0xC0000),
                    Block("c", HUGE, HUGE, 1 << 32),
                ),
            ),
            EndOfSection(),
        ],
    ),
]
IDS = [name for name, *_ in VECTORS]


def arrive(
    payload: bytes, decoder: RamDecoder, sizes: Iterator[int], offset: int = 0, patient: bool = False
) -> tuple[list[Decoded], int]:
    """Decode one payload while its bytes arrive in pieces of ``sizes``; also how often decode was called.

    With ``patient`` it is called only when as many are there as it wanted, which is what readers do.
    """
    chunks: list[Decoded] = []
    start = have = calls = 0
    while True:
        calls += 1
        # A copy that dies with the call: a decoder must not keep what it was given.
        data = memoryview(bytearray(payload[start:have]))
        result = decoder.decode(data, no_end, kind=1, offset=offset + start, final=have == len(payload))
        data.release()
        if result is None:
            assert decoder.wanted > have - start
            if have == len(payload):
                raise EOFError(f"{decoder.wanted - (have - start)} more bytes wanted")
            have = min(len(payload), have + next(sizes))
            while patient and have < min(start + decoder.wanted, len(payload)):
                have = min(len(payload), have + next(sizes))
            continue
        chunks.append(result)
        start += result.size
        if result.last:
            assert start == have or have == len(payload) or have > start
            return chunks, calls


def whole(payload: bytes, decoder: RamDecoder) -> list[Decoded]:
    return arrive(payload, decoder, iter([len(payload)]))[0]


def words_of(chunks: Sequence[Decoded]) -> list[Word]:
    return [word for chunk in chunks for word in chunk.payload.words()]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_vector_decodes_to_its_words_and_back(
    name: str, grammar: Grammar, data: bytes, words: list[Word]
) -> None:
    chunks = whole(data, RamDecoder(grammar))
    assert words_of(chunks) == words
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    assert encode_words(words) == data
    assert sum(chunk.size for chunk in chunks) == len(data)


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_vector_may_arrive_byte_by_byte(
    name: str, grammar: Grammar, data: bytes, words: list[Word]
) -> None:
    chunks, calls = arrive(data, RamDecoder(grammar), repeat(1))
    assert chunks == whole(data, RamDecoder(grammar))
    assert calls == len(data) + 1


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_wanted_is_never_too_much(name: str, grammar: Grammar, data: bytes, words: list[Word]) -> None:
    decoder = RamDecoder(grammar)

    def as_wanted() -> Iterator[int]:
        have = 0
        while True:
            wanted = decoder.wanted
            assert wanted > have
            yield wanted - have
            have = wanted

    chunks, calls = arrive(data, decoder, as_wanted())
    assert words_of(chunks) == words
    assert calls <= 12 * len(words)  # a field at a time, not a byte at a time


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_cut_vector_is_never_a_payload(name: str, grammar: Grammar, data: bytes, words: list[Word]) -> None:
    for end in range(len(data)):
        decoder = RamDecoder(grammar)
        state = (dict(decoder.blocks or {}), decoder.block)
        assert decoder.decode(memoryview(data[:end]), no_end, kind=1, offset=0, final=True) is None
        assert decoder.wanted > end
        assert (decoder.blocks, decoder.block) == state


@pytest.mark.parametrize(("name", "grammar", "data", "words"), VECTORS, ids=IDS)
def test_a_broken_vector_raises_only_stream_errors(
    name: str, grammar: Grammar, data: bytes, words: list[Word]
) -> None:
    rng = random.Random(name)
    for _ in range(2000):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            broken[rng.randrange(min(len(broken), 80))] = rng.choice(
                (0, 1, 0x10, 0x7F, 0x80, 0xFF, rng.randrange(256))
            )
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
    pieces, _ = arrive(data, RamDecoder(), iter([*sizes, len(data)]))
    assert pieces == at_once
    for chunk in at_once:
        assert isinstance(chunk.payload, RamWords)
        assert chunk.payload.count == len(list(chunk.payload.words()))
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


# the scanner by itself


def test_the_scanner_says_where_and_why_it_stopped() -> None:
    zero = bytes.fromhex("0000000000001022 00")
    page = bytes.fromhex("0000000000002028") + PAGE
    data = zero + page + zero
    size = len(data)
    assert scan_words(data, 0, 9, 4096, 0xF000) == (size, 3, size + 8)  # all taken: the next word is missing
    assert scan_words(data, 0, 2, 4096, 0xF000) == (9 + 4104, 2, 0)  # the limit
    assert scan_words(data, 0, 0, 4096, 0xF000) == (0, 0, 0)
    assert scan_words(data, 0, 9, 4096, 0x1000) == (9, 1, 0)  # a page above the highest
    assert scan_words(data, 0, 9, 4096, -1) == (0, 0, 0)  # none is legal
    assert scan_words(data + bytes(8), 0, 9, 4096, 0xF000) == (size, 3, 0)  # a word for others
    assert scan_words(data[:-1], 0, 9, 4096, 0xF000) == (9 + 4104, 2, size)  # inside a word
    assert scan_words(data[:100], 0, 9, 4096, 0xF000) == (9, 1, 9 + 4104)
    assert scan_words(data, 9, 9, 4096, 0xF000) == (size, 2, size + 8)


# XBZRLE


def sparse_pages() -> st.SearchStrategy[tuple[bytes, bytes]]:
    def change(old: bytes, edits: list[tuple[int, bytes]]) -> tuple[bytes, bytes]:
        new = bytearray(old)
        for at, data in edits:
            new[at : at + len(data)] = data[: len(new) - at]
        return old, bytes(new)

    edits = st.lists(st.tuples(st.integers(0, 4095), st.binary(min_size=1, max_size=200)), max_size=12)
    return st.builds(change, st.sampled_from([bytes(4096), PAGE, b"\xff" * 4096]), edits)


@given(sparse_pages())
def test_a_delta_makes_the_page_again(pages: tuple[bytes, bytes]) -> None:
    old, new = pages
    delta = xbzrle_encode(old, new)
    assert xbzrle_apply(old, delta) == new
    assert (delta == b"") is (old == new)


@given(st.binary(max_size=64), st.integers(0, 64))
def test_any_delta_gives_a_page_or_a_stream_error(data: bytes, size: int) -> None:
    try:
        assert len(xbzrle_apply(bytes(size), data)) == size
    except StreamError as error:
        assert "decode error!" in error.message and 0 <= error.offset <= len(data)  # noqa: PT017


@pytest.mark.parametrize(
    "delta",
    [
        "05",
        "00",
        "0000",
        "0002 61",
        "08 01 61",
        "09 01 61",
        "00 09 616161616161616161",
        "80",
        "8080 01",
        "00 01 61 00 01 61",
    ],
)
def test_a_broken_delta_is_refused(delta: str) -> None:
    with pytest.raises(StreamError, match="decode error"):
        xbzrle_apply(bytes(8), bytes.fromhex(delta))


def test_a_delta_is_between_pages_of_one_size() -> None:
    with pytest.raises(EncodeError):
        xbzrle_encode(bytes(8), bytes(9))
    with pytest.raises(EncodeError):
        xbzrle_encode(bytes(1 << 14), bytes(1 << 14))


# real captures

STREAMS = Path(os.environ.get("VNETMIG_STREAMS", "/nonexistent"))
needs_streams = pytest.mark.skipif(
    not STREAMS.is_dir(), reason="VNETMIG_STREAMS does not name a folder of captured streams"
)


def capture(name: str) -> bytes:
    plain = STREAMS / name / "stream.bin"
    return (
        plain.read_bytes() if plain.exists() else lzma.decompress(plain.with_suffix(".bin.xz").read_bytes())
    )


def walk(data: bytes, decoder: RamDecoder) -> Iterator[tuple[int, Decoded]]:
    """Every chunk of the ram section up to the first section that is not RAM, with its offset."""
    start = data.index(b"\x03ram\0\0\0\0\0\0\0\4")
    section_id = data[start - 4 : start]
    position = start + 12
    view = memoryview(data)
    while True:
        result = decoder.decode(view[position:], no_end, kind=1, offset=position, final=True)
        assert result is not None
        yield position, result
        position += result.size
        if not result.last:
            continue
        assert data[position : position + 5] == b"\x7e" + section_id
        position += 5
        while data[position] == 8:
            number, size = struct.unpack_from(">HH", data, position + 1)
            position += 5 + size
            if number == 7:  # PACKAGED: the package follows the command
                position += int.from_bytes(data[position - 4 : position], "big")
        if data[position] not in (2, 3) or data[position + 1 : position + 5] != section_id:
            return
        position += 5


def grammar_of(data: bytes) -> Grammar:
    before = data[: data.index(b"\x03ram\0\0\0\0\0\0\0\4")]
    return Grammar(ignore_shared=b"x-ignore-shared" in before, postcopy=b"\x08\0\x03\0\x10" in before)


def names() -> list[str]:
    found = sorted(path.parent.name for path in STREAMS.glob("*/stream.bin*")) if STREAMS.is_dir() else []
    return [name for name in found if not name.startswith("mapped-ram")]


@needs_streams
@pytest.mark.parametrize("name", names())
def test_a_capture_is_written_again_from_its_words(name: str) -> None:
    data = capture(name)
    decoder = RamDecoder(grammar_of(data))
    payloads = 0
    for position, chunk in walk(data, decoder):
        assert chunk.payload.encode() == data[position : position + chunk.size]
        payloads += chunk.last
    assert payloads >= (1 if name.startswith("rfc-") else 2)
    assert decoder.blocks
    guest = decoder.blocks.get("pc.ram") or decoder.blocks.get("ram0")
    assert guest is not None
    assert guest.used_length >= 16 << 20
    assert (guest.gpa == 0) is decoder.grammar.ignore_shared


def counted(name: str) -> dict[str, int]:
    data = capture(name)
    totals: dict[str, int] = {}
    for _, chunk in walk(data, RamDecoder(grammar_of(data))):
        for kind, count in chunk.payload.kinds().items():  # type: ignore[attr-defined]
            totals[kind] = totals.get(kind, 0) + count
    return totals


@needs_streams
def test_the_words_are_as_many_as_qemu_counted() -> None:
    """truth.json: 111 normal pages and 4115 duplicates."""
    totals = counted("full-fw-m16-q72")
    assert (totals["Page"], totals["Zero"]) == (111, 4115)
    assert totals["BlockList"] == 1


@needs_streams
def test_the_pages_of_a_postcopy_migration() -> None:
    totals = counted("proxy-postcopy-fw-q111")
    assert (totals["Page"], totals["Zero"]) == (111, 8211)


@needs_streams
@pytest.mark.parametrize("size", [1, 7, 4104, 100_000])
def test_a_capture_may_arrive_in_any_pieces(size: int) -> None:
    data = capture("full-fw-m16-q72")
    at_once = RamDecoder()
    piecewise = RamDecoder()
    collected: list[Decoded] = []
    for position, chunk in walk(data, at_once):
        collected.append(chunk)
        if chunk.last:
            start = position + chunk.size - sum(part.size for part in collected)
            payload = data[start : position + chunk.size]
            arrived, _ = arrive(payload, piecewise, repeat(size), start, patient=True)
            assert arrived == collected
            collected = []
    assert piecewise == at_once


@needs_streams
def test_every_delta_of_a_capture_fits_its_page() -> None:
    data = capture("full-linux-xbzrle-q72")
    pages: dict[tuple[str, int], bytes] = {}
    deltas = 0
    for _, chunk in walk(data, RamDecoder()):
        for word in chunk.payload.words():  # type: ignore[attr-defined]
            if isinstance(word, Page):
                pages[word.block, word.address] = word.data
            elif isinstance(word, Zero):
                pages[word.block, word.address] = bytes([word.fill]) * 4096
            elif isinstance(word, Xbzrle):
                deltas += 1
                old = pages[word.block, word.address]
                new = xbzrle_apply(old, word.data)
                assert new != old
                # QEMU's encoder may split runs elsewhere; ours must make the same page
                assert xbzrle_apply(old, xbzrle_encode(old, new)) == new
                pages[word.block, word.address] = new
    assert deltas > 100
