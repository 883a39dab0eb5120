"""Guest memory: every source, where machines have their RAM, and rings in the RAM of real streams."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import mmap
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ram_arrival import whole
from ram_captures import MAPPED_RAM, chunks_of, ram_start, stream_of

from vnetmig.errors import StreamError
from vnetmig.stream import guest_memory
from vnetmig.stream.guest_memory import MAX_READ, GuestMemory, load_memory, pc_extents
from vnetmig.stream.mapped_pieces import MappedEntry, MappedPages
from vnetmig.stream.mapped_ram import MappedRamDecoder
from vnetmig.stream.payload import Payload
from vnetmig.stream.ram import Grammar, RamDecoder, RamWords
from vnetmig.stream.ram_image import RamImage
from vnetmig.stream.ram_words import (
    Block,
    BlockList,
    CompressedPage,
    EndOfSection,
    MappedHeader,
    Page,
    Word,
    Xbzrle,
    Zero,
    encode_words,
)

ONE = b"1" * 4096
TWO = b"2" * 4096
GIB = 1 << 30


def words(*content: Word, page_size: int = 4096) -> RamWords:
    return RamWords(encode_words(content, page_size), len(content), None, Grammar(page_size))


def test_pages_not_given_read_as_zero() -> None:
    memory = GuestMemory.from_pages({0x1000: ONE, 0x100000000: TWO + ONE})
    assert memory.read(0x1FFE, 4) == b"11\0\0"
    assert memory.read(0x100000FFF, 2) == b"21"
    assert memory.read(0, 0) == b""
    assert memory.read(1 << 63, 3) == b"\0\0\0"
    assert "3 pages" in memory.origin


def test_lengths_and_addresses_are_bounded() -> None:
    memory = GuestMemory.from_pages({})
    assert memory.read(0, MAX_READ + 1) is None
    assert memory.read(-1, 1) is None
    assert memory.read(0, -1) is None
    assert memory.read((1 << 64) - 1, 2) is None
    assert memory.read((1 << 64) - 1, 1) == b"\0"


@given(st.integers(0, 5 * 4096), st.integers(0, 3 * 4096))
def test_a_read_is_a_slice(gpa: int, length: int) -> None:
    data = bytes(number * 7 & 0xFF for number in range(4 * 4096))
    memory = GuestMemory.from_pages({0: data[:8192], 8192: data[8192:]})
    assert memory.read(gpa, length) == data[gpa : gpa + length].ljust(length, b"\0")
    file = GuestMemory.from_ram_file(data)
    expected = data[gpa : gpa + length] if gpa + length <= len(data) or not length else None
    assert file.read(gpa, length) == expected


@pytest.mark.parametrize("pages", [{1: ONE}, {0: b"short"}, {-4096: ONE}, {(1 << 64) - 4096: ONE + TWO}])
def test_only_whole_pages_are_memory(pages: dict[int, bytes]) -> None:
    with pytest.raises(StreamError, match="Not guest memory"):
        GuestMemory.from_pages(pages)


def test_pages_to_ship() -> None:
    memory = GuestMemory.from_ram_file(ONE + TWO + ONE)
    spans = [(0xFFF, 2), (0x10, 4), (0x2000, 0), (0x2FF0, 0x1000), (-5, 3), (0, MAX_READ + 1)]
    assert list(memory.pages_for(spans)) == [(0, ONE), (0x1000, TWO), (0x2000, ONE)]


# files


def as_json(pages: dict[int, bytes]) -> bytes:
    return json.dumps({hex(gpa): base64.b64encode(page).decode() for gpa, page in pages.items()}).encode()


@pytest.mark.parametrize(("name", "pack"), [("p.json", bytes), ("p.json.xz", lzma.compress), ("p.gz", gzip.compress)])
def test_json_is_known_by_its_content(tmp_path: Path, name: str, pack: Any) -> None:
    path = tmp_path / name
    path.write_bytes(pack(as_json({0x2000: ONE})))
    for memory in (load_memory(path), load_memory(str(path)), GuestMemory.from_json(path)):
        assert memory is not None
        assert memory.read(0x2000, 4096) == ONE
        assert memory.read(0x3000, 8) == bytes(8)
        assert str(path) in memory.origin


@pytest.mark.parametrize("pack", [bytes, lzma.compress])
def test_another_file_is_ram(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "ram"
    path.write_bytes(pack(ONE + TWO))
    memory = load_memory(path)
    assert memory is not None
    assert memory.read(0x1000, 4096) == TWO
    assert memory.read(0x2000, 1) is None


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"0x0": 3}',
        b'{"0x0": "!"}',
        b'{"0x0": "AAAA"}',
        b'{"zero": ""}',
        b'{"1": "' + base64.b64encode(ONE) + b'"}',
        b'{"a":' * 100_000,
        b'{"x": "\xff"}',
    ],
)
def test_json_that_is_no_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pages"
    path.write_bytes(content)
    with pytest.raises(StreamError, match="Not guest memory"):
        load_memory(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"[1]"),
        ("empty", b""),
        ("cut.json.xz", lzma.compress(as_json({0: ONE}))[:-20]),
        ("cut.gz", gzip.compress(as_json({0: bytes(range(256)) * 16}))[:-12]),
        ("stream.bin", b"QEVM\0\0\0\3"),
    ],
)
def test_files_that_are_no_memory(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StreamError, match="Not guest memory"):
        load_memory(path)


def test_other_sources(tmp_path: Path) -> None:
    assert load_memory(None) is None
    memory = GuestMemory.from_pages({})
    assert load_memory(memory) is memory
    path = tmp_path / "ram"
    path.write_bytes(ONE)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for source in ({0: ONE}, ONE, bytearray(ONE), memoryview(ONE), mapped):
            loaded = load_memory(source)
            assert loaded is not None
            assert loaded.read(0, 4096) == ONE


# where the RAM is


@pytest.mark.parametrize(
    ("machine", "size", "low", "high"),
    [
        ("pc-i440fx-7.2", 3 * GIB, 3 * GIB, 0),
        ("pc-i440fx-7.2", 3 * GIB + GIB // 2, 3 * GIB, GIB // 2),
        ("pc-i440fx-10.0", 8 * GIB, 3 * GIB, 5 * GIB),
        ("pc-q35-7.2", 2 * GIB, 2 * GIB, 0),
        ("pc-q35-7.2", 2 * GIB + GIB // 2, 2 * GIB + GIB // 2, 0),
        ("pc-q35-10.0", 3 * GIB, 2 * GIB, GIB),
        ("q35", 4 * GIB, 2 * GIB, 2 * GIB),
        ("microvm", 3 * GIB, 3 * GIB, 0),
        ("microvm", 4 * GIB, 3 * GIB, GIB),
        ("none", 8 * GIB, 8 * GIB, 0),
    ],
)
def test_large_ram_goes_on_at_4_gib(machine: str, size: int, low: int, high: int) -> None:
    extents = pc_extents(machine, size, "pc.ram")
    assert extents[0].gpa == extents[0].start == 0
    assert extents[0].size == low
    if high:
        assert (extents[1].gpa, extents[1].start, extents[1].size) == (4 * GIB, low, high)
    assert len(extents) == 1 + bool(high)


def test_the_high_part_of_a_large_guest() -> None:
    block = Block("pc.ram", 8 * GIB)
    chunk = words(
        BlockList(8 * GIB, (block,)), Page("pc.ram", 3 * GIB, ONE, True), Zero("pc.ram", 3 * GIB - 4096, 0, False)
    )
    memory = GuestMemory.from_ram_words([chunk], machine="pc-i440fx-7.2")
    assert memory.read(4 * GIB, 4096) == ONE
    assert memory.read(3 * GIB - 1, 1) == b"\0"
    assert memory.read(3 * GIB, 1) is None  # the hole
    assert memory.read(4 * GIB - 1, 2) is None
    assert GuestMemory.from_ram_words([chunk], machine="pc-q35-7.2").read(5 * GIB, 4096) == ONE


# a stream's own RAM

LIST = BlockList(
    0x9000,
    (Block("ram0", 0x4000), Block("/rom@x", 0x1000), Block("pc.bios", 0x2000), Block("0000:00:02.0/vga.vram", 0x2000)),
)


def test_the_later_copy_of_a_page_wins() -> None:
    chunk = words(
        LIST,
        Page("ram0", 0, ONE, True),
        Zero("ram0", 0x1000, 0, False),
        Zero("ram0", 0x2000, 7, False),
        Xbzrle("ram0", 0, 1, b"\x02\x03abc", False),
        CompressedPage("ram0", 0x1000, zlib.compress(TWO), False),
        Page("pc.bios", 0, TWO, True),
        EndOfSection(),
    )
    memory = GuestMemory.from_ram_words([chunk])
    assert memory.read(0, 4096) == b"11abc" + ONE[5:]
    assert memory.read(0x1000, 4096) == TWO
    assert memory.read(0x2000, 2) == b"\7\7"
    assert memory.read(0x3000, 1) is None  # never sent
    assert memory.read(0x4000, 1) is None  # outside


def test_the_block_list_may_come_apart_from_the_pages() -> None:
    chunk = RamWords(encode_words([Zero("ram0", 0, 1, False)]), 1, "ram0")
    assert GuestMemory.from_ram_words([chunk], LIST.blocks).read(0, 1) == b"\1"
    assert GuestMemory.from_ram_words([chunk]).read(0, 1) is None


def test_which_blocks_are_the_guests_ram() -> None:
    nodes = (Block("node1", 0x2000), Block("node0", 0x1000))
    chunk = words(BlockList(0x3000, nodes), Page("node1", 0x1000, ONE, True), Page("node0", 0, TWO, True))
    assert GuestMemory.from_ram_words([chunk]).read(0, 1) is None  # which is first, nobody says
    memory = GuestMemory.from_ram_words([chunk], ram_blocks=["node0", "node1"])
    assert memory.read(0, 4096) == TWO
    assert memory.read(0x2000, 4096) == ONE
    with pytest.raises(StreamError, match="Can't find block node2"):
        GuestMemory.from_ram_words([chunk], ram_blocks=["node2"])


def test_blocks_that_go_on_behind_the_hole() -> None:
    nodes = (Block("a", 2 * GIB), Block("b", 2 * GIB))
    chunk = words(BlockList(4 * GIB, nodes), Page("b", GIB - 4096, ONE, True), Page("b", GIB, TWO, False))
    memory = GuestMemory.from_ram_words([chunk], machine="pc", ram_blocks=["a", "b"])
    assert memory.read(3 * GIB - 4096, 4096) == ONE
    assert memory.read(4 * GIB, 4096) == TWO


def test_a_delta_needs_its_page() -> None:
    with pytest.raises(StreamError, match="decode error"):
        GuestMemory.from_ram_words([words(LIST, Xbzrle("ram0", 0, 1, b"\0\1a", True))])


@pytest.mark.parametrize("size", [1024, 16384])
def test_target_pages_of_another_size(size: int) -> None:
    data = bytes(number % 251 for number in range(32768))
    pages = [Page("mem0", at, data[at : at + size], at == 0) for at in range(0, len(data) - size, size)]
    chunk = words(BlockList(32768, (Block("mem0", 32768),)), *pages, page_size=size)
    memory = GuestMemory.from_ram_words([chunk], machine="virt")
    known = 32768 - max(size, 4096)  # what is not known is whole pages of 4 KiB
    content = memory.read(0, known)
    assert content == data[:known]
    assert memory.read(32768 - size, 1) is None


def test_a_page_of_the_wrong_length_is_not_known() -> None:
    assert GuestMemory(lambda gpa: b"short", "a source of one's own").read(0, 8) is None
    image = RamImage()
    image.apply(LIST)
    image.apply_pages([("ram0", 0, b"short")])
    assert GuestMemory.from_image(image).read(0, 8) is None


def test_pages_of_a_multifd_channel() -> None:
    image = RamImage()
    image.apply(LIST)
    image.apply_pages([("ram0", 0x1000, TWO)])
    assert GuestMemory.from_image(image).read(0x1000, 4096) == TWO


def test_a_mapped_ram_file_in_sequence_and_by_place() -> None:
    header = MappedHeader(1, 1024, 0, 1024)
    block = Block("pc.ram", 8192, mapped=header)
    content = bytes(number // 1024 for number in range(8192))
    bits = bytes([0b11111110]) + bytes(7)
    file = bits + bytes(1016) + content
    pieces: list[Payload] = [
        MappedEntry(block, 8192, 1024),
        MappedPages("pc.ram", 0, 8192, 1024, bits[:1], content[1024:]),
    ]
    for memory in (GuestMemory.from_ram_words(pieces), GuestMemory.from_mapped_ram(file, [block])):
        assert memory.read(0, 4096) == content[:4096]
        assert memory.read(4096, 4096) == content[4096:]
        assert memory.read(8192, 1) is None


# real captures


def le16(memory: GuestMemory, gpa: int) -> int | None:
    data = memory.read(gpa, 2)
    return None if data is None else int.from_bytes(data, "little")


def rings(folder: Path) -> list[dict[str, int]]:
    """What QEMU said of the rings at the stop."""
    queues = json.loads((folder / "truth.json").read_text()).get("virtio_queues") or {}
    found: list[dict[str, int]] = []

    def search(value: Any) -> None:
        if isinstance(value, dict):
            if "vring-used" in value:
                found.append(value)
            for part in value.values():
                search(part)
        elif isinstance(value, list):
            for part in value:
                search(part)

    search(queues)
    return [ring for ring in found if ring["vring-used"]]


def test_captured_pages_hold_the_rings(capture: Path) -> None:
    path = capture / "rings.json.xz"
    if not path.exists():
        pytest.skip("this capture has no pages beside it")
    memory = load_memory(path)
    assert memory is not None
    packed = "packed" in capture.name
    for ring in [] if packed else rings(capture):
        assert le16(memory, ring["vring-used"] + 2) == ring["used-idx"]


def test_captured_ram_holds_the_rings(captures: list[Path]) -> None:
    folder = next((path for path in captures if path.name.startswith("full-linux")), None)
    if folder is None:
        pytest.skip("no full-linux* below VNETMIG_STREAMS")
    data = stream_of(folder)
    chunks = [chunk.payload for _, chunk in chunks_of(data, RamDecoder())]
    memory = GuestMemory.from_ram_words(chunks, machine="pc-i440fx-7.2")
    found = rings(folder)
    assert found
    for ring in found:
        assert le16(memory, ring["vring-used"] + 2) == ring["used-idx"]


def test_captured_mapped_ram_is_the_same_in_sequence_and_by_place() -> None:
    data = stream_of(MAPPED_RAM)
    start = ram_start(data)
    decoder = MappedRamDecoder()
    chunks = [chunk.payload for chunk in whole(data[start:], decoder, start)]
    by_place = GuestMemory.from_mapped_ram(data, decoder.blocks)
    in_sequence = GuestMemory.from_ram_words(chunks)
    for gpa in range(0, 32 << 20, 1 << 20):
        content = by_place.read(gpa, 1 << 20)
        assert content is not None
        assert hash(content) == hash(in_sequence.read(gpa, 1 << 20))
    assert by_place.read(0, 4) == b"\x53\xff\x00\xf0"  # the first interrupt vector, as the firmware sets it


def test_a_compressed_file_of_more_than_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "ram.gz"
    path.write_bytes(gzip.compress(bytes(100)))
    assert guest_memory._decompressed(path, 100) == bytes(100)
    with pytest.raises(StreamError, match="too long"):
        guest_memory._decompressed(path, 99)
