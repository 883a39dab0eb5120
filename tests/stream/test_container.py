"""What comes around a stream: compressed files, libvirt images, wrappers in wrappers, damage and bombs."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib
import io
import lzma
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.compression import PIECE, Compression
from vnetmig.stream.container import open_container
from vnetmig.stream.libvirt import HEADER_SIZE, LibvirtImage, read_image
from vnetmig.stream.source import Source

STREAM = b"QEVM\0\0\0\3" + bytes(range(256)) * 300


def zstd(data: bytes) -> bytes:
    try:
        builtin = importlib.import_module("compression.zstd")
    except ImportError:
        return pytest.importorskip("zstandard").ZstdCompressor().compress(data)  # type: ignore[no-any-return]
    return builtin.compress(data)  # type: ignore[no-any-return]


PACKERS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.XZ: lzma.compress,
    Compression.GZIP: gzip.compress,
    Compression.BZIP2: bz2.compress,
    Compression.ZSTD: zstd,
}
packed = pytest.mark.parametrize(("kind", "pack"), PACKERS.items(), ids=[kind.value for kind in PACKERS])


class Trickle(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.size = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        taken, self.data = self.data[: self.size], self.data[self.size :]
        return taken


def unwrap(data: bytes) -> bytes:
    return b"".join(open_container(data).chunks)


def test_a_bare_stream_passes_through_uncopied() -> None:
    container = open_container(STREAM)
    assert (container.wrappers, container.base, container.image) == ((), 0, None)
    chunks = list(container.chunks)
    assert chunks == [STREAM]
    assert chunks[0] is STREAM
    assert unwrap(b"") == b""
    for size in (1, 5, 1000):
        assert b"".join(open_container(Trickle(STREAM, size)).chunks) == STREAM


@packed
def test_each_compression(kind: Compression, pack: Callable[[bytes], bytes]) -> None:
    data = pack(STREAM)
    for source in (data, bytearray(data), io.BytesIO(data), Trickle(data, 1), Trickle(data, 7)):
        container = open_container(source)
        assert container.wrappers == (kind,)
        assert container.base is None
        assert b"".join(container.chunks) == STREAM
    assert unwrap(pack(STREAM[:1000]) + pack(STREAM[1000:])) == STREAM
    assert unwrap(data + bytes(5000)) == STREAM
    assert unwrap(pack(b"")) == b""


@packed
def test_unpacked_in_bounded_pieces_and_up_to_the_limit(kind: Compression, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(40 << 20))
    sizes = [len(piece) for piece in open_container(bomb).chunks]
    assert sum(sizes) == 40 << 20
    assert max(sizes) <= (32 << 20 if kind is Compression.ZSTD else PIECE)
    with pytest.raises(StreamError, match=f"The {kind.value} data unpacks to too much") as caught:
        for _ in open_container(bomb, limit=1 << 20).chunks:
            pass
    assert caught.value.code == "limit"


@packed
def test_damage_and_cuts(kind: Compression, pack: Callable[[bytes], bytes]) -> None:
    data = pack(STREAM)
    for length in {0, 1, 2, 10, len(data) // 2, len(data) - 1}:
        if length < 10:
            continue
        with pytest.raises(StreamError, match=f"The {kind.value} data ends too early") as caught:
            unwrap(data[:length])
        assert (caught.value.code, caught.value.offset) == ("truncated", length)
    with pytest.raises(StreamError, match="goes on with something else"):
        unwrap(data + b"\0\0more")
    damaged = bytearray(data)
    for at in range(8, 30):
        damaged[at] ^= 0xFF
    with pytest.raises(StreamError, match=r"is damaged|ends too early"):
        unwrap(bytes(damaged))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([Compression.XZ, Compression.GZIP, Compression.BZIP2]), st.data())
def test_any_flip_is_refused_or_unpacked(kind: Compression, data: st.DataObject) -> None:
    packed_stream = bytearray(PACKERS[kind](STREAM[:2000]))
    packed_stream[data.draw(st.integers(0, len(packed_stream) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(StreamError):
        unwrap(bytes(packed_stream))


def test_an_xz_file_that_asks_for_too_much_memory() -> None:
    """A gigabyte of dictionary: written into the block's header, since to compress so takes more than 32 bits reach."""
    data = bytearray(lzma.compress(b"x"))
    header = slice(12, 12 + 4 * data[12])  # behind the stream's: size, flags, filter, size of properties, dictionary
    assert data[14:16] == b"\x21\x01"
    data[16] = 36
    data[header.stop : header.stop + 4] = zlib.crc32(data[header]).to_bytes(4, "little")
    with pytest.raises(StreamError, match="is damaged") as caught:
        unwrap(bytes(data))
    assert "emory" in str(caught.value.got)


def test_what_fits_a_piece_exactly() -> None:
    for size in (PIECE - 1, PIECE, PIECE + 1, 2 * PIECE):
        data = zlib.compressobj(wbits=31)
        assert unwrap(data.compress(bytes(size)) + data.flush()) == bytes(size)


def test_lzop_is_named() -> None:
    with pytest.raises(StreamError, match="lzop file") as caught:
        open_container(b"\x89LZO\0\r\n\x1a\n rest")
    assert caught.value.code == "unsupported"
    assert "lzop -d" in str(caught.value)


def test_zstd_without_a_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    with pytest.raises(StreamError, match="nothing here can unpack zstd") as caught:
        open_container(b"\x28\xb5\x2f\xfd rest")
    assert "pip install zstandard" in str(caught.value)


# libvirt

XML = b"<domain type='kvm'><name>guest</name></domain>"


def image_bytes(
    *,
    magic: bytes = b"LibvirtQemudSave",
    version: int = 2,
    data_len: int | None = None,
    kind: int = 0,
    cookie_offset: int = 0,
    data: bytes = XML + b"\0",
    byteorder: str = "little",
) -> bytes:
    numbers = [version, len(data) if data_len is None else data_len, 1, kind, cookie_offset, *[0] * 14]
    return magic + b"".join(number.to_bytes(4, byteorder) for number in numbers) + data  # type: ignore[arg-type]


COOKIE = b"<qemusave/>"
WITH_COOKIE = image_bytes(data=XML + b"\0" + COOKIE + b"\0" * 9, cookie_offset=len(XML) + 1)


@pytest.mark.parametrize(
    ("data", "image"),
    [
        (image_bytes(), LibvirtImage(XML, 1)),
        (image_bytes(kind=3), LibvirtImage(XML, 1, format=3)),
        (image_bytes(data=XML), LibvirtImage(XML, 1, gap=b"")),
        (image_bytes(data=XML + bytes(100)), LibvirtImage(XML, 1, gap=bytes(100))),
        (image_bytes(data=XML + b"\0junk"), LibvirtImage(XML, 1, gap=b"\0junk")),
        (image_bytes(magic=b"LibvirtQemudPart"), LibvirtImage(XML, 1, complete=False)),
        (image_bytes(byteorder="big"), LibvirtImage(XML, 1, byteorder="big")),
        (image_bytes(version=1), LibvirtImage(XML, 1, version=1)),
        (WITH_COOKIE, LibvirtImage(XML, 1, cookie=COOKIE, padding=bytes(9))),
    ],
)
def test_the_libvirt_header_both_ways(data: bytes, image: LibvirtImage) -> None:
    source = Source.of(data + STREAM)
    assert read_image(source) == image
    assert source.offset == image.size == len(data)
    assert image.encode() == data


def test_the_stream_in_a_libvirt_image() -> None:
    for data in (image_bytes(), WITH_COOKIE):
        for source in (data + STREAM, io.BytesIO(data + STREAM), Trickle(data + STREAM, 3)):
            container = open_container(source)
            assert container.image is not None
            assert container.image.xml == XML
            assert container.image.format_name == "raw"
            assert container.base == len(data)
            assert b"".join(container.chunks) == STREAM


@packed
def test_wrappers_in_wrappers(kind: Compression, pack: Callable[[bytes], bytes]) -> None:
    number = {"gzip": 1, "bzip2": 2, "xz": 3, "zstd": 5}[kind.value]
    container = open_container(gzip.compress(image_bytes(kind=number) + pack(STREAM)))
    assert container.wrappers == (Compression.GZIP, LibvirtImage(XML, 1, format=number), kind)
    assert container.base is None
    assert b"".join(container.chunks) == STREAM


def test_an_onion_without_end() -> None:
    data = STREAM
    for _ in range(6):
        data = gzip.compress(data)
    with pytest.raises(StreamError, match="Too many wrappers"):
        open_container(data)


@pytest.mark.parametrize(
    ("data", "message", "offset"),
    [
        (image_bytes()[:50], "failed to read qemu header", 0),
        (image_bytes()[: HEADER_SIZE + 3], "failed to read domain XML", HEADER_SIZE + 3),
        (image_bytes(version=3), "image version is not supported (3 > 2)", 16),
        (image_bytes(version=0), "image version is not supported (0 > 2)", 16),
        (image_bytes(data_len=0), "invalid header data length: 0", 20),
        (image_bytes(data_len=0xFFFFFFFF), "invalid header data length: 4294967295", 20),
        (image_bytes(kind=7), "Invalid compressed save format 7", 28),
        (image_bytes(cookie_offset=1000), "invalid cookie offset", 32),
    ],
)
def test_libvirt_headers_that_are_refused(data: bytes, message: str, offset: int) -> None:
    with pytest.raises(StreamError) as caught:
        open_container(data)
    assert str(caught.value).startswith(message)
    assert caught.value.offset == offset


def test_numbers_that_no_header_can_hold() -> None:
    for broken in (replace(LibvirtImage(XML, 1), unused=(0,)), LibvirtImage(XML, -1), LibvirtImage(XML, 1 << 32)):
        with pytest.raises(EncodeError):
            broken.encode()


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(WITH_COOKIE) - 1), st.integers(0, 255))
def test_any_flip_of_a_header_is_refused_or_written_again(at: int, value: int) -> None:
    data = bytearray(WITH_COOKIE)
    data[at] = value
    try:
        image = open_container(bytes(data) + STREAM).image
    except StreamError:
        return
    if image is not None:
        assert image.encode() == (data + STREAM)[: image.size]


def test_a_compressed_stream_is_no_libvirt_image() -> None:
    assert open_container(gzip.compress(STREAM)).image is None


def test_a_libvirt_header_of_another_magic() -> None:
    with pytest.raises(StreamError, match="image magic is incorrect"):
        read_image(Source.of(b"x" * HEADER_SIZE))
