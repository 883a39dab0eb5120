"""multifd channels: packets by hand, every compression, any arrival of the bytes, real captures."""

from __future__ import annotations

import gzip
import json
import lzma
import random
import struct
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ram_arrival import wire
from ram_captures import chunks_of, stream_of

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream import multifd
from vnetmig.stream.multifd import (
    MAX_DEVICE_STATE,
    QATZIP,
    QPL,
    SYNC,
    UADK,
    ZLIB,
    ZSTD,
    DeviceStatePacket,
    InitPacket,
    MultifdReader,
    Packet,
    PagesPacket,
)
from vnetmig.stream.multifd_pages import ChannelPages
from vnetmig.stream.ram import RamDecoder, RamWords
from vnetmig.stream.ram_words import Block, Zero

PAGE = bytes(range(256)) * 16
OTHER = b"\xa5" * 4096
ROOM = 128
INIT = InitPacket(1)


def packet(
    flags: int = 0,
    pages: tuple[int, ...] = (),
    zero: tuple[int, ...] = (),
    data: bytes = b"",
    size: int | None = None,
    lengths: tuple[int, ...] = (),
    block: bytes = b"pc.ram",
) -> PagesPacket:
    """A packet as QEMU fills it: unused offsets are zero."""
    offsets = (*pages, *zero)
    return PagesPacket(
        flags,
        ROOM if offsets else 0,
        len(pages),
        len(data) if size is None else size,
        7,
        len(zero),
        block.ljust(256, b"\0"),
        offsets + (0,) * (ROOM - len(offsets)),
        lengths,
        data,
    )


def read(data: bytes, sizes: Iterable[int] = (), reader: MultifdReader | None = None) -> list[Packet]:
    """All packets of a channel that arrives in pieces of ``sizes``, then the rest at once."""
    reader = MultifdReader() if reader is None else reader
    packets: list[Packet] = []
    position = 0
    for size in (*sizes, len(data)):
        reader.feed(data[position : position + size])
        position += size
        while (found := reader.next_packet()) is not None:
            packets.append(found)
    reader.finish()
    return packets


def channel(*packets: Packet) -> bytes:
    return b"".join(found.encode() for found in (INIT, *packets))


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


QPL_PAGES = (raw_deflate(PAGE), OTHER)
UADK_PAGES = (zlib.compress(PAGE), OTHER)
STALE = PagesPacket(
    SYNC, ROOM, 0, 4096, 9, 0, b"pc.bios".ljust(9, b"\0") + b"left over".ljust(247, b"\0"), tuple(range(ROOM))
)
PACKETS: dict[str, Packet] = {
    "sync": packet(SYNC),
    "sync of QEMU 7.2, fields left over and no payload": STALE,
    "sync of QEMU 7.2 with a page": packet(SYNC, (0x1000,), data=PAGE),
    "none": packet(0, (0, 0x5000), (0x2000, 0x3000), PAGE + OTHER),
    "zlib": packet(ZLIB, (0x1000,), (0,), zlib.compress(PAGE)),
    "zero pages only": packet(ZSTD, (), (0, 0x1000)),
    "qpl": packet(QPL, (0, 0x1000), (), b"".join(QPL_PAGES), lengths=(len(QPL_PAGES[0]), 4096)),
    "uadk": packet(UADK, (0, 0x1000), (), b"".join(UADK_PAGES), lengths=(len(UADK_PAGES[0]), 4096)),
    "qatzip": packet(QATZIP, (0, 0x1000), (), gzip.compress(PAGE) + gzip.compress(OTHER)),
    "device state": DeviceStatePacket(0x40, b"0000:00:02.0/vfio".ljust(256, b"\0"), 0, b"state"),
    "no device state": DeviceStatePacket(0x41, bytes(256), 3, b""),
}


def test_the_bytes_of_an_init_packet() -> None:
    data = wire("""
        1122 3344   # magic
        0000 0001   # version
        0123 4567 89ab cdef 0123 4567 89ab cdef     # uuid
        05          # channel
        00 0000 0000 0007   # unused
        0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000
    """)
    assert len(data) == 64
    (init,) = read(data)
    assert isinstance(init, InitPacket)
    assert (init.id, init.uuid) == (5, data[8:24])
    assert init.encode() == data


def test_the_bytes_of_a_packet() -> None:
    head = wire("""
        1122 3344   # magic
        0000 0001   # version
        0000 0002   # flags: zlib
        0000 0080   # pages_alloc
        0000 0001   # normal pages
        0000 0003   # next_packet_size
        0000 0000 0000 0007     # packet_num
        0000 0002   # zero pages
        0000 0000   # unused
        0000 0000 0000 0000     # unused
        0000 0000 0000 0000     # unused
        0000 0000 0000 0000     # unused
        70 63 2e 72 61 6d       # "pc.ram"
    """) + bytes(250)
    offsets = struct.pack(">3Q", 0x5000, 0x1000, 0x2000) + bytes(8 * 125)
    (_, found) = read(channel() + head + offsets + b"abc")
    assert found == packet(ZLIB, (0x5000,), (0x1000, 0x2000), b"abc")
    assert isinstance(found, PagesPacket)
    assert (found.block, found.compression.name, found.sync) == ("pc.ram", "zlib", False)
    assert found.encode() == head + offsets + b"abc"


@pytest.mark.parametrize("name", PACKETS)
def test_a_packet_is_read_and_written(name: str) -> None:
    data = channel(PACKETS[name])
    found = read(data)
    assert found == [INIT, PACKETS[name]]
    assert b"".join(part.encode() for part in found) == data


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(PACKETS)), max_size=5), st.lists(st.integers(1, 3000), max_size=30))
def test_packets_do_not_depend_on_how_bytes_arrive(names: list[str], sizes: list[int]) -> None:
    packets = [PACKETS[name] for name in names]
    assert read(channel(*packets), sizes) == [INIT, *packets]


def test_a_channel_may_arrive_byte_by_byte() -> None:
    packets = list(PACKETS.values())
    data = channel(*packets)
    assert read(data, [1] * len(data)) == [INIT, *packets]


@pytest.mark.parametrize("name", PACKETS)
def test_a_cut_channel_gives_no_packet(name: str) -> None:
    data = channel(PACKETS[name])
    for end in range(len(data)):
        reader = MultifdReader()
        reader.feed(data[:end])
        assert reader.next_packet() == (INIT if end >= 64 else None)
        assert reader.next_packet() is None
        if end == 64:
            reader.finish()
        else:
            with pytest.raises(StreamError, match="channel ends inside a packet") as caught:
                reader.finish()
            assert caught.value.code == "truncated"
            assert caught.value.offset == end


def hostile(data: bytes) -> None:
    reader = MultifdReader()
    reader.feed(data)
    pages = ChannelPages()
    written = b""
    try:
        while (found := reader.next_packet()) is not None:
            written += found.encode()
            assert data.startswith(written)
            for _, _, page in pages.pages(found):
                assert len(page) == 4096
        reader.finish()
    except StreamError as error:
        assert 0 <= error.offset <= len(data) and str(error)  # noqa: PT017


def test_a_broken_channel_raises_only_stream_errors() -> None:
    good = channel(*PACKETS.values())
    starts = [0]
    for found in (INIT, *PACKETS.values()):
        starts.append(starts[-1] + len(found.encode()))
    places = [start + at for start in starts[:-1] for at in range(64)]
    rng = random.Random(2)
    for _ in range(1500):
        broken = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.choice(places) if rng.random() < 0.7 else rng.randrange(len(good))
            broken[at] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        hostile(bytes(broken))


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_stream_errors(data: bytes) -> None:
    hostile(data)
    hostile(channel() + data)
    hostile(channel() + b"\x11\x22\x33\x44\0\0\0\1" + data + bytes(1400))


def patched(at: int, value: int, size: int = 4, base: Packet = PACKETS["none"]) -> bytes:
    data = bytearray(base.encode())
    data[at : at + size] = value.to_bytes(size, "big")
    return bytes(data)


FAULTS = [
    (0, patched(0, 5), "multifd: received packet magic 5 and expected magic 11223344"),
    (4, patched(4, 2), "multifd: received packet version 2 and expected version 1"),
    (8, patched(8, 0x06), "multifd: flags received 6"),
    (12, patched(12, 129), "multifd: received packet with size 129 and expected a size of 128"),
    (16, patched(16, 129), "multifd: received packet with 129 pages and expected maximum pages are 128"),
    (32, patched(32, 127), "multifd: received packet with 127 zero pages and expected maximum zero pages are 126"),
    (20, patched(20, 1 << 21, base=PACKETS["zlib"]), "multifd: packet size received too long"),
    (1344 + 4, patched(1348, 4097, base=PACKETS["qpl"]), "multifd: incorrect compressed length"),
    (272, patched(272, MAX_DEVICE_STATE + 1, base=PACKETS["device state"]), "multifd: device state too long"),
]


@pytest.mark.parametrize(("offset", "data", "message"), FAULTS, ids=[fault[2][:40] for fault in FAULTS])
def test_a_fault_is_told_as_qemu_tells_it(offset: int, data: bytes, message: str) -> None:
    reader = MultifdReader()
    reader.feed(channel(PACKETS["sync"]) + data)
    assert reader.next_packet() == INIT
    assert reader.next_packet() == PACKETS["sync"]
    before = reader.offset
    for _ in range(2):  # an error does not move the reader
        with pytest.raises(StreamError) as caught:
            reader.next_packet()
        assert caught.value.message.startswith(message)
        assert caught.value.offset == before + offset
        assert reader.offset == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x11\x22\x33\x45" + bytes(60), "multifd: received packet magic 11223345 expected 11223344"),
        (b"\x11\x22\x33\x44\0\0\0\2" + bytes(56), "multifd: received packet version 2 expected 1"),
    ],
)
def test_a_channel_of_another_kind(data: bytes, message: str) -> None:
    with pytest.raises(StreamError) as caught:
        read(data)
    assert caught.value.message == message


def test_blocks_bound_the_offsets() -> None:
    reader = partial(MultifdReader, blocks={"pc.ram": Block("pc.ram", 0x6000)})
    assert len(read(channel(PACKETS["none"], PACKETS["sync"]), reader=reader())) == 3
    with pytest.raises(StreamError, match="multifd: unknown ram block x"):
        read(channel(packet(0, (0,), data=PAGE, block=b"x")), reader=reader())
    with pytest.raises(StreamError, match="multifd: offset too long 24576") as caught:
        read(channel(packet(0, (0x6000,), data=PAGE)), reader=reader())
    assert caught.value.offset == 64 + 320


@pytest.mark.parametrize(
    "broken",
    [
        InitPacket(256),
        InitPacket(0, uuid=b"short"),
        InitPacket(0, unused=bytes(40)),
        packet(1 << 32),
        PagesPacket(0, 0, 0, 0, 0, 0, b"no 256 bytes", ()),
        packet(0, (1 << 64,)),
        DeviceStatePacket(0x40, b"short", 0, b""),
    ],
)
def test_what_no_field_holds_is_not_written(broken: Packet) -> None:
    with pytest.raises(EncodeError):
        broken.encode()


@pytest.mark.parametrize("name", ["none", "qpl", "uadk", "qatzip"])
def test_pages_of_one_packet(name: str) -> None:
    found = list(ChannelPages().pages(PACKETS[name]))
    second = 0x5000 if name == "none" else 0x1000
    zero = [("pc.ram", 0x2000, bytes(4096)), ("pc.ram", 0x3000, bytes(4096))] if name == "none" else []
    assert found == [("pc.ram", 0, PAGE), ("pc.ram", second, OTHER), *zero]


def test_one_zlib_stream_runs_through_a_channel() -> None:
    deflater = zlib.compressobj(1)
    packets = []
    for page in (PAGE, OTHER, PAGE):
        data = deflater.compress(page) + deflater.flush(zlib.Z_SYNC_FLUSH)
        packets += [packet(ZLIB, (0,), data=data), PACKETS["sync"], PACKETS["device state"]]
    pages = ChannelPages()
    assert [page for part in packets for _, _, page in pages.pages(part)] == [PAGE, OTHER, PAGE]
    with pytest.raises(StreamError, match="after decompression"):
        list(ChannelPages().pages(packets[3]))  # the second packet of a stream whose start is missing


@pytest.mark.parametrize(
    "broken",
    [
        packet(ZLIB, (0,), data=zlib.compress(PAGE + b"x")),
        packet(ZLIB, (0,), data=zlib.compress(bytes(1 << 22))),
        packet(ZLIB, (0,), data=b"junk"),
        packet(ZLIB, (0,), data=b""),
        packet(QPL, (0,), data=raw_deflate(PAGE[:-1]), lengths=(len(raw_deflate(PAGE[:-1])),)),
        packet(QPL, (0,), data=b"\xff\xff", lengths=(2,)),
        packet(QATZIP, (0,), data=gzip.compress(PAGE)[:-12]),
        packet(QATZIP, (0,), data=gzip.compress(bytes(1 << 22))),
        packet(0, (0, 0x1000), data=PAGE),
    ],
)
def test_data_that_is_not_the_pages(broken: PagesPacket) -> None:
    with pytest.raises(StreamError, match="multifd: packet size received wrong after decompression"):
        list(ChannelPages().pages(broken))


def test_zstd_never_makes_much_more_than_the_pages() -> None:
    zstandard = pytest.importorskip("zstandard")
    frame = zstandard.ZstdCompressor(level=1).compress(PAGE + OTHER)
    found = list(ChannelPages().pages(packet(ZSTD, (0, 0x1000), data=frame)))
    assert [page for _, _, page in found] == [PAGE, OTHER]
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(1 << 28))
    for data in (bomb, b"junk" * 9, frame[:-9]):
        with pytest.raises(StreamError, match="multifd: packet size received wrong"):
            list(ChannelPages().pages(packet(ZSTD, (0, 0x1000), data=data)))


def test_without_a_zstd_module_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "compression", None)
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(StreamError, match="pip install zstandard"):
        list(ChannelPages().pages(packet(ZSTD, (0,), data=b"x")))


def multifd_captures(captures: list[Path]) -> list[Path]:
    found = [path for path in captures if list(path.glob("channel*.bin*"))]
    if not found:
        pytest.skip("no multifd capture below VNETMIG_STREAMS")
    return found


def test_captured_channels_are_written_again(captures: list[Path]) -> None:
    for folder in multifd_captures(captures):
        ids = set()
        for path in sorted(folder.glob("channel*.bin*")):
            data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
            packets = read(data)
            assert b"".join(found.encode() for found in packets) == data
            assert read(data, [5000] * (len(data) // 5000)) == packets
            assert isinstance(packets[0], InitPacket)
            ids.add(packets[0].id)
        assert ids == set(range(len(ids)))


def test_captured_channels_hold_the_pages_that_qemu_counted(captures: list[Path]) -> None:
    for folder in multifd_captures(captures):
        if "zstd" in folder.name:
            pytest.importorskip("zstandard")
        stream = stream_of(folder)
        decoder = RamDecoder()
        zero = 0
        for _, chunk in chunks_of(stream, decoder):
            assert isinstance(chunk.payload, RamWords)
            zero += sum(isinstance(word, Zero) for word in chunk.payload.words())
        normal = 0
        for path in sorted(folder.glob("channel*.bin*")):
            data = lzma.decompress(path.read_bytes())
            pages = ChannelPages()
            for found in read(data, reader=MultifdReader(blocks=decoder.blocks)):
                for block, address, page in pages.pages(found):
                    assert decoder.blocks is not None
                    assert address < decoder.blocks[block].used_length
                    if page == bytes(4096):
                        zero += 1
                    else:
                        normal += 1
        truth = json.loads((folder / "truth.json").read_text())["capture"]["migrate"]["ram"]
        assert (normal, zero) == (truth["normal"], truth["duplicate"])


def test_compressions_are_a_table() -> None:
    assert [row.name for row in multifd.COMPRESSIONS.values()] == ["none", "zlib", "zstd", "qpl", "uadk", "qatzip"]
    assert all(flag == flag & multifd.COMPRESSION for flag in multifd.COMPRESSIONS)


def test_the_name_of_a_device() -> None:
    assert PACKETS["device state"].idstr == "0000:00:02.0/vfio"  # type: ignore[union-attr]


def test_what_was_read_is_let_go() -> None:
    reader = MultifdReader()
    packets = [DeviceStatePacket(0x40, b"a".ljust(256, b"\0"), number, bytes(1 << 20)) for number in range(4)]
    reader.feed(INIT.encode())
    assert reader.next_packet() == INIT
    for sent in packets:
        reader.feed(sent.encode())
        assert reader.next_packet() == sent
    assert len(reader._buffer) < 3 << 20


def test_a_buffer_that_a_debugger_looks_at_may_grow() -> None:
    reader = MultifdReader()
    data = INIT.encode()
    reader.feed(data[:10])
    view = memoryview(reader._buffer)
    reader.feed(data[10:])
    assert reader.next_packet() == INIT and view == data[:10]
