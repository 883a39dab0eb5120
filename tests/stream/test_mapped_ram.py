"""mapped-ram files: small ones made by hand, any arrival of the bytes, broken bytes, a real capture."""

from __future__ import annotations

import json
import random
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ram_arrival import arrive, no_end
from ram_arrival import whole as whole_at
from ram_captures import MAPPED_RAM, ram_start, stream_of

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream import mapped_ram
from vnetmig.stream.mapped_pieces import MappedBitmap, MappedEntry, MappedGap, MappedPages
from vnetmig.stream.mapped_ram import PIECE, MappedRamDecoder, bitmap_size, read_page, read_pages
from vnetmig.stream.payload import Decoded
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_read import Grammar
from vnetmig.stream.ram_words import Block, EndOfSection, MappedHeader

SIZE = 1024
SMALL = Grammar(page_size=SIZE)
START = 100
"""Where the payload lies in the file: behind a header and a configuration section."""


def layout(
    blocks: dict[str, dict[int, bytes]],
    lengths: dict[str, int],
    *,
    align: int = SIZE,
    base: int = 0,
    start: int = START,
) -> tuple[bytearray, list[Block]]:
    """The payload of a mapped-ram START section as QEMU lays it out, and its blocks."""
    out = bytearray((sum(lengths.values()) | 4).to_bytes(8, "big"))
    described = []
    for name, pages in blocks.items():
        length = lengths[name]
        out += bytes((len(name),)) + name.encode() + length.to_bytes(8, "big")
        bitmap_offset = base + start + len(out) + MappedHeader.SIZE
        bits = bytearray(bitmap_size(length, SIZE))
        for number in pages:
            bits[number // 8] |= 1 << number % 8
        pages_offset = (bitmap_offset + len(bits) + align - 1) // align * align
        header = MappedHeader(1, SIZE, bitmap_offset, pages_offset)
        out += header.encode() + bits
        out += bytes(pages_offset - base - start - len(out))
        region = bytearray(length)
        for number, page in pages.items():
            region[number * SIZE : (number + 1) * SIZE] = page
        out += region
        described.append(Block(name, length, mapped=header))
    out += b"\0\0\0\0\0\0\0\x10"
    return out, described


PAGES = {
    "pc.ram": {0: b"a" * SIZE, 3: b"b" * SIZE, 9: b"\0" * SIZE},
    "rom": {0: b"c" * SIZE},
    "none": {},
}
LENGTHS = {"pc.ram": 10 * SIZE, "rom": SIZE, "none": 2 * SIZE}


def example(base: int = 0) -> tuple[bytearray, list[Block]]:
    return layout(PAGES, LENGTHS, base=base)


def whole(payload: bytes | bytearray, decoder: MappedRamDecoder, offset: int = START) -> list[Decoded]:
    return whole_at(bytes(payload), decoder, offset)


def test_the_pieces_of_a_small_file() -> None:
    data, blocks = example()
    decoder = MappedRamDecoder(SMALL)
    chunks = whole(data, decoder)
    assert decoder.blocks == blocks
    assert decoder.base == 0
    first = [chunk.payload for chunk in chunks[:4]]
    bits = bytes.fromhex("0902000000000000")  # pages 0, 3 and 9
    assert first[0] == MappedEntry(blocks[0], sum(LENGTHS.values()), SIZE)
    assert first[1] == MappedBitmap("pc.ram", bits)
    assert list(MappedBitmap("pc.ram", bits).pages()) == [0, 3, 9]
    assert isinstance(first[2], MappedGap)
    assert not first[2].extra
    assert first[3] == MappedPages("pc.ram", 0, 10 * SIZE, SIZE, b"\x09\x02", b"a" * SIZE + b"b" * SIZE + bytes(SIZE))
    assert isinstance(chunks[-1].payload, RamWords)
    assert list(chunks[-1].payload.words()) == [EndOfSection()]
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data


def test_the_later_sections_are_words() -> None:
    decoder = MappedRamDecoder(SMALL)
    whole(example()[0], decoder)
    (chunk,) = whole(b"\0\0\0\0\0\0\0\x10", decoder)
    assert chunk.last
    assert decoder.blocks == example()[1]


def test_a_total_of_nothing() -> None:
    data = b"\0\0\0\0\0\0\0\4" + b"\0\0\0\0\0\0\0\x10"
    chunks = whole(data, MappedRamDecoder())
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    assert len(chunks) == 2


def test_guest_addresses_stand_before_the_header() -> None:
    header = MappedHeader(1, SIZE, START + 8 + 2 + 8 + 8 + 28, 2048)
    block = Block("a", SIZE, None, 0xC0000, header)
    data = (SIZE | 4).to_bytes(8, "big") + block.encode()
    data += bytes(2048 - START - len(data)) + bytes(SIZE) + b"\0\0\0\0\0\0\0\x10"
    decoder = MappedRamDecoder(Grammar(SIZE, ignore_shared=True))
    chunks = whole(data, decoder)
    assert decoder.blocks == [block]
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    slow = MappedRamDecoder(Grammar(SIZE, ignore_shared=True))
    assert arrive(data, slow, repeat(1), START, patient=True) == chunks and slow.blocks == [block]


def test_bytes_where_none_belong_are_kept() -> None:
    data, blocks = example()
    header = blocks[0].mapped
    assert header is not None
    gap = header.bitmap_offset + 8 - START
    hole = header.pages_offset + SIZE - START
    places = {gap: b"x", gap + 600: b"yz", hole + 5: b"left over", hole + 2 * SIZE - 1: b"!"}
    for at, junk in places.items():
        data[at : at + len(junk)] = junk
    chunks = whole(data, MappedRamDecoder(SMALL))
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    assert chunks[2].payload.extra == ((0, b"x"), (600, b"yz"))  # type: ignore[attr-defined]
    assert chunks[3].payload.extra == ((SIZE + 5, b"left over"), (3 * SIZE - 1, b"!"))  # type: ignore[attr-defined]


def test_a_bit_behind_the_last_page_is_kept() -> None:
    data, blocks = example()
    header = blocks[0].mapped
    assert header is not None
    data[header.bitmap_offset - START + 7] = 0x80
    chunks = whole(data, MappedRamDecoder(SMALL))
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    assert len(list(read_pages(bytes(START) + data, blocks[:1]))) == 3


def test_a_block_that_is_no_whole_number_of_pages() -> None:
    data, blocks = layout({"a": {0: b"q" * SIZE}}, {"a": 2 * SIZE})
    header = blocks[0].mapped
    assert header is not None
    length = 2 * SIZE - 8
    odd = bytearray(((2 * SIZE) | 4).to_bytes(8, "big") + b"\1a" + length.to_bytes(8, "big") + data[18:])
    # the second block takes the remaining 8 bytes
    end = header.pages_offset - START + length
    odd[end - 3] = 7
    del odd[end:]
    second = MappedHeader(1, SIZE, START + len(odd) + 10 + 28, START + len(odd) + 10 + 28)
    odd += Block("b", 8, mapped=second).encode() + b"12345678" + b"\0\0\0\0\0\0\0\x10"
    chunks = whole(odd, MappedRamDecoder(SMALL))
    assert b"".join(chunk.payload.encode() for chunk in chunks) == odd


@pytest.mark.parametrize("base", [0, 4096])
def test_offsets_of_a_file_written_at_an_offset(base: int) -> None:
    data, blocks = example(base)
    decoder = MappedRamDecoder(SMALL)
    chunks = whole(data, decoder)
    assert decoder.base == base
    assert decoder.blocks == blocks
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    pages = {(name, address): page for name, address, page in read_pages(bytes(START) + data, blocks, base=base)}
    assert pages == {(name, number * SIZE): page for name, known in PAGES.items() for number, page in known.items()}
    with pytest.raises(StreamError, match=r"Error reading bitmap of pc\.ram"):
        whole(data, MappedRamDecoder(SMALL, base=base + 1))


def test_single_pages() -> None:
    data, blocks = example()
    file = bytes(START) + data
    assert read_page(file, blocks[0], 3 * SIZE + 5) == b"b" * SIZE
    assert read_page(file, blocks[0], 4 * SIZE) == bytes(SIZE)
    for address in (-1, 10 * SIZE):
        with pytest.raises(StreamError, match="Illegal RAM offset"):
            read_page(file, blocks[0], address)
    with pytest.raises(StreamError, match=r"Error reading ramblock pc\.ram pages"):
        read_page(file[:-20_000], blocks[0], 0)
    with pytest.raises(StreamError, match="Could not read whole mapped-ram migration header"):
        list(read_pages(file, [Block("a", SIZE)]))


def test_a_file_may_arrive_byte_by_byte() -> None:
    data, _ = example()
    assert arrive(bytes(data), MappedRamDecoder(SMALL), repeat(1), START, patient=True) == whole(
        data, MappedRamDecoder(SMALL)
    )


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "pc.ram", "x" * 255]),
        st.dictionaries(st.integers(0, 70), st.binary(min_size=1, max_size=1), max_size=8),
        min_size=1,
    ),
    st.sampled_from([1, 512, SIZE, 8192]),
    st.lists(st.integers(1, 9000), max_size=30),
    st.integers(0, 50),
)
def test_pieces_do_not_depend_on_how_bytes_arrive(
    fills: dict[str, dict[int, bytes]], align: int, sizes: list[int], more: int
) -> None:
    pages = {name: {number: fill * SIZE for number, fill in known.items()} for name, known in fills.items()}
    lengths = {name: (max(known, default=0) + 1 + more) * SIZE for name, known in pages.items()}
    data, blocks = layout(pages, lengths, align=align)
    decoder = MappedRamDecoder(SMALL)
    chunks = whole(data, decoder)
    assert decoder.blocks == blocks
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data
    assert arrive(bytes(data), MappedRamDecoder(SMALL), iter([*sizes, len(data)]), START) == chunks
    found = {(name, at): page for name, at, page in read_pages(bytes(START) + data, blocks)}
    assert found == {(name, n * SIZE): page for name, known in pages.items() for n, page in known.items()}


def test_pieces_are_cut_at_fixed_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_ram, "PIECE", 8 * SIZE)
    pages = {number: bytes([number + 1]) * SIZE for number in (0, 7, 8, 9, 23)}
    data, _ = layout({"a": pages}, {"a": 25 * SIZE}, align=20 * SIZE)
    chunks = whole(data, MappedRamDecoder(SMALL))
    assert all(chunk.size <= 8 * SIZE for chunk in chunks)
    regions = [chunk.payload for chunk in chunks if isinstance(chunk.payload, MappedPages)]
    assert [region.address // SIZE for region in regions] == [0, 8, 16, 24]
    assert [region.present for region in regions] == [b"\x81", b"\x03", b"\x80", b"\x00"]
    assert [at // SIZE for region in regions for at, _ in region.pages()] == [0, 7, 8, 9, 23]
    assert b"".join(chunk.payload.encode() for chunk in chunks) == data


def decode_hostile(data: bytes) -> None:
    """Pieces of whatever ``data`` is, until an error of ours or the end; all write the same bytes again."""
    decoder = MappedRamDecoder(SMALL)
    position = 0
    try:
        while True:
            view = memoryview(data)[position:]
            result = decoder.decode(view, no_end, kind=1, offset=START + position, final=True)
            if result is None:
                assert decoder.wanted > len(view)
                return
            assert result.payload.encode() == data[position : position + result.size]
            position += result.size
            if result.last:
                return
    except StreamError as error:
        assert 0 <= error.offset <= len(data) and str(error)  # noqa: PT017


def test_a_cut_file_is_never_whole() -> None:
    data = bytes(layout({"a": {1: b"x" * SIZE}, "b": {}}, {"a": 2 * SIZE, "b": SIZE})[0])
    for end in range(len(data)):
        with pytest.raises(EOFError):
            whole(data[:end], MappedRamDecoder(SMALL))


def test_a_broken_file_raises_only_stream_errors() -> None:
    good = bytes(example()[0])
    rng = random.Random(1)
    headers = [*range(80), *range(len(good) - 3 * SIZE, len(good))]
    for _ in range(3000):
        broken = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 4))):
            broken[rng.choice(headers)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        decode_hostile(bytes(broken))


@given(st.binary(max_size=200))
def test_any_bytes_raise_only_stream_errors(data: bytes) -> None:
    decode_hostile(data)
    decode_hostile(b"\0\0\0\0\0\0\x08\4" + data)


HERE = START + 8 + 2 + 8 + MappedHeader.SIZE
FAULTS = [
    (MappedHeader(2, SIZE, HERE, 2048), "Migration mapped-ram capability version not supported (expected <= 1, got 2)"),
    (MappedHeader(1, 1000, HERE, 2048), "Migration mapped-ram header has invalid page_size 1000"),
    (MappedHeader(1, 0, HERE, 2048), "Migration mapped-ram header has invalid page_size 0"),
    (MappedHeader(1, 1 << 20, HERE, 2048), "Migration mapped-ram header has invalid page_size"),
    (MappedHeader(1, SIZE, HERE - 1, 2048), "Error reading bitmap of a"),
    (MappedHeader(1, SIZE, HERE, HERE + 7), "Error reading ramblock a pages, region out of place"),
    (MappedHeader(1, SIZE, HERE, 0), "Error reading ramblock a pages, region out of place"),
    (MappedHeader(1, SIZE, HERE, (1 << 64) - 1), "Error reading ramblock a pages, region out of place"),
]


@pytest.mark.parametrize(("header", "message"), FAULTS)
def test_a_header_that_does_not_fit(header: MappedHeader, message: str) -> None:
    data = (SIZE | 4).to_bytes(8, "big") + Block("a", SIZE, mapped=header).encode() + bytes(4096)
    decoder = MappedRamDecoder(SMALL)
    with pytest.raises(StreamError) as caught:
        whole(data, decoder)
    assert caught.value.message.startswith(message)
    assert 18 <= caught.value.offset <= 46
    assert decoder == MappedRamDecoder(SMALL, wanted=decoder.wanted)


def test_a_second_header_must_fit_the_first() -> None:
    data, blocks = example()
    header = blocks[1].mapped
    assert header is not None
    at = header.bitmap_offset - START - 16
    data[at : at + 8] = (header.bitmap_offset + SIZE).to_bytes(8, "big")
    with pytest.raises(StreamError, match="Error reading bitmap of rom"):
        whole(data, MappedRamDecoder(SMALL))


def test_a_bitmap_has_a_limit() -> None:
    length = 1 << 45
    header = MappedHeader(1, SIZE, HERE, 1 << 50)
    data = (length | 4).to_bytes(8, "big") + Block("a", length, mapped=header).encode()
    with pytest.raises(StreamError, match="Error reading bitmap of a"):
        whole(data, MappedRamDecoder(SMALL))


@pytest.mark.parametrize("flags", [0x02, 0x08, 0x28, 0x40, 0x80, 0x200])
def test_pages_among_the_words_are_refused(flags: int) -> None:
    with pytest.raises(StreamError, match=rf"^Unexpected RAM flags: {flags & ~0x20}\n"):
        MappedRamDecoder().decode(memoryview(flags.to_bytes(8, "big")), no_end, kind=2, offset=0, final=False)


def test_what_fits_nowhere_is_not_written() -> None:
    for broken in (
        MappedGap(4, ((3, b"ab"),)),
        MappedPages("a", 0, SIZE, SIZE, b"\1", b"short"),
        MappedPages("a", 0, SIZE, SIZE, b"\2", bytes(SIZE)),
        MappedPages("a", 0, SIZE, SIZE, b"\0", bytes(SIZE)),
    ):
        with pytest.raises(EncodeError):
            broken.encode()


def test_a_capture_is_written_again_from_its_pieces() -> None:
    data = stream_of(MAPPED_RAM)
    decoder = MappedRamDecoder()
    position = ram_start(data)
    view = memoryview(data)
    pages = {}
    while True:
        result = decoder.decode(view[position:], no_end, kind=1, offset=position, final=True)
        assert result is not None
        assert result.size <= PIECE
        assert result.payload.encode() == data[position : position + result.size]
        if isinstance(result.payload, MappedPages):
            name = result.payload.block
            pages.update({(name, at): page for at, page in result.payload.pages()})
        assert getattr(result.payload, "extra", ()) == ()
        position += result.size
        if result.last:
            break
    assert data[position] == 0x7E
    assert decoder.base == 0
    truth = json.loads((MAPPED_RAM / "truth.json").read_text())["capture"]["migrate"]["ram"]
    assert len(pages) == truth["normal"]
    assert pages == {(name, at): page for name, at, page in read_pages(data, decoder.blocks)}
    assert sum(block.used_length for block in decoder.blocks) == truth["total"]


def test_a_capture_may_arrive_in_any_pieces() -> None:
    data = stream_of(MAPPED_RAM)
    start = ram_start(data)
    at_once = whole(data[start:], MappedRamDecoder(), start)
    assert arrive(data[start:], MappedRamDecoder(), repeat(70_001), start, patient=True) == at_once


def test_there_is_a_limit_to_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = example()
    monkeypatch.setattr(mapped_ram, "MAX_BLOCKS", 2)
    with pytest.raises(StreamError, match="Too many RAM blocks"):
        whole(data, MappedRamDecoder(SMALL))


def test_a_header_that_has_no_room_for_its_offsets() -> None:
    with pytest.raises(EncodeError, match="mapped-ram header"):
        MappedHeader(1, SIZE, -1, 1 << 64).encode()
