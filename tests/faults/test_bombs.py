"""A small file that unpacks to more than anybody has: memory stays flat, or a limit is named.

With VNETMIG_COMPLETE=1 each unpacks to 10 GiB; otherwise to as much as shows that it is not kept.
"""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command_line import run, stream_bytes
from spent import spent

import vnetmig
from vnetmig.document import large
from vnetmig.errors import StreamError
from vnetmig.stream import guest_memory
from vnetmig.stream.container import open_container
from vnetmig.stream.libvirt import LibvirtImage

COMPLETE = os.environ.get("VNETMIG_COMPLETE") == "1"
SIZE = 10 << 30 if COMPLETE else 160 << 20
FLAT = 200
"""MiB: 64 of them are KEPT_MAX, 65 may be the dictionary of an .xz file."""
ZEROS = bytes(1 << 20)


def _zstd() -> Any:
    import zstandard

    return zstandard.ZstdCompressor().compressobj()


COMPRESSORS: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.compressobj(9, wbits=31),
    "xz": lambda: lzma.LZMACompressor(preset=0),
    "bz2": lambda: bz2.BZ2Compressor(),
    "zst": _zstd,
}
KINDS = list(COMPRESSORS) if COMPLETE else ["gz", "xz"]


def bomb(kind: str, path: Path, begin: bytes, size: int = SIZE) -> Path:
    compressor = COMPRESSORS[kind]()
    with path.open("wb") as file:
        file.write(compressor.compress(begin))
        for _ in range(size // len(ZEROS)):
            file.write(compressor.compress(ZEROS))
        file.write(compressor.flush())
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_behind_a_stream(kind: str, tmp_path: Path) -> None:
    if kind == "zst" and importlib.util.find_spec("zstandard") is None:
        pytest.skip("zstandard is not installed")
    begin = stream_bytes()
    took = spent("inspect", bomb(kind, tmp_path / f"bomb.{kind}", begin))
    assert took.code == 0, took.said
    assert f"{SIZE} bytes that no loader reads" in took.out
    assert took.peak < FLAT


def test_zeros_inside_of_a_libvirt_image(tmp_path: Path) -> None:
    image = LibvirtImage(b"<domain/>", 1).encode()
    took = spent("check", bomb("gz", tmp_path / "vm.save.gz", image + stream_bytes()))
    assert took.code in (0, 1), took.said
    assert took.peak < FLAT


def test_a_side_channel_that_does_not_end(tmp_path: Path) -> None:
    magic = bytes.fromhex("11223344")
    took = spent("inspect", bomb("gz", tmp_path / "channel.gz", magic + bytes(60)))
    assert took.code == 3, took.said
    assert took.peak < FLAT


def test_what_is_no_stream_is_not_unpacked(tmp_path: Path) -> None:
    path = bomb("gz", tmp_path / "zeros.gz", b"", 4 << 20)
    stream = vnetmig.load(path, partial=True)
    assert stream.error is not None and stream.error.message == "Not a migration stream"
    assert len(stream.input) <= 1 << 20
    result = run("inspect", path, "--html", tmp_path / "page.html")
    assert result.exit_code == 3


def test_the_limit_is_named(tmp_path: Path) -> None:
    path = bomb("gz", tmp_path / "bomb.gz", b"QEVM", 4 << 20)
    with pytest.raises(StreamError) as caught, path.open("rb") as file:
        list(open_container(file, limit=2 << 20).chunks)
    assert caught.value.code == "limit"
    assert str(2 << 20) in str(caught.value.expected)


def test_guest_memory_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_memory, "MAX_UNPACKED", 2 << 20)
    for name in ("memory.json.gz", "memory.gz"):
        path = bomb("gz", tmp_path / name, b"{" if "json" in name else b"x", 4 << 20)
        with pytest.raises(StreamError, match="too long") as caught:
            vnetmig.load(stream_bytes(), memory=path)
        assert caught.value.expected == f"at most {2 << 20} bytes"


# What is kept where


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.parametrize("size", [1, 4, 1000, 1 << 16, (1 << 16) + 1, 1 << 20])
def test_what_is_large_is_in_a_file_and_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"QEVM" + os.urandom(1000) + bytes(300_000) + os.urandom(70_000) + bytes(200_000)
    if size < 1000:
        data = data[:2000] + bytes(70_000)
    monkeypatch.setattr(large, "KEPT_MAX", 1500)
    found = large.gathered(pieces(data, size))
    assert not isinstance(found, bytes)
    assert bytes(found[0]) == data
    assert large.gathered(pieces(data[:1500], size)) == data[:1500]


def test_nothing_and_next_to_nothing() -> None:
    assert large.gathered(iter(())) == b""
    assert large.gathered(iter((b"Q",))) == b"Q"
    assert large.gathered(iter((b"", b"QE", b"V"))) == b"QEV"


def test_no_room_to_unpack_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(large, "KEPT_MAX", 1500)
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(open, "/dev/full", "r+b", 0))
    path = tmp_path / "vm.gz"
    path.write_bytes(gzip.compress(stream_bytes()))
    result = run("inspect", path)
    assert result.exit_code == 3
    assert f"{tempfile.gettempdir()}: no room to unpack into: No space left on device" in result.stderr
    monkeypatch.undo()
    assert run("inspect", path).exit_code == 0
