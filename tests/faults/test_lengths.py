"""Numbers, depths and lengths that nobody has: in a vmdescription, RAM blocks, headers, memory files and
profiles. A refusal, or an answer, in little memory. Counts inside of devices: tests/laws/test_hostile_bytes.py.
"""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from big_streams import EOS, described, front, section
from command_line import run, stream_bytes

import vnetmig
from vnetmig.errors import StreamError, VnetmigError
from vnetmig.stream import framing
from vnetmig.stream.libvirt import LibvirtImage
from vnetmig.stream.ram_words import MappedHeader

EDGES = sorted({near + step for near in (1 << 31, 1 << 32, 1 << 63, 1 << 64) for step in (-1, 0, 1)})
LITTLE = 64 << 20


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LITTLE, f"{peak >> 20} MiB"


def answered(data: bytes) -> vnetmig.Stream:
    """Read, looked at, checked and saved: with an error of ours, or to the same bytes."""
    with little_memory():
        stream = vnetmig.load(data, partial=True)
        for one in stream.sections:
            try:
                if one.record is not None:
                    assert len(list(zip(range(50), one.record.fields().leaves(), strict=False))) <= 50
            except VnetmigError:
                pass
        vnetmig.check(stream, qemu="10.0")
        if stream.error is None:
            assert stream.encode() == data
    return stream


# The vmdescription

DEVICE = '{"page_size":%(page)s,"devices":[{"name":"dev","instance_id":%(instance)s,"vmsd_name":"dev","version":%(version)s,"fields":[{"name":"a","array_len":%(length)s,"index":%(index)s,"type":"uint32","size":%(size)s}]}]}'  # noqa: E501
USUAL = {"page": "4096", "instance": "0", "version": "1", "length": "1", "index": "0", "size": "4"}
NUMBERS = ["1e999", "-1e999", "NaN", "-1", "1.5", "1e3", "9" * 5000, *map(str, EDGES)]


def with_text(text: str) -> bytes:
    raw = text.encode()
    end = bytes((framing.EOF, framing.VMDESCRIPTION)) + len(raw).to_bytes(4, "big") + raw
    return front() + section(framing.SECTION_FULL, 1, "dev", 1, b"abcd") + end


def no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("place", USUAL)
def test_numbers_of_a_vmdescription(place: str) -> None:
    for number in NUMBERS:
        data = with_text(DEVICE % {**USUAL, place: number})
        answered(data)
        if len(number) < 10:
            json.loads(run("inspect", "-", "--json", stdin=data).stdout, parse_constant=no_constant)


@pytest.mark.parametrize(
    "text",
    [
        '{"devices":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        "{" + '"a":[{"b":' * 50_000,
        '{"devices":[' + '{"name":"dev","fields":[{"struct":' * 20_000,
        '{"devices":[{"name":"' + "x" * (1 << 20) + '"}]}',
    ],
    ids=["arrays", "objects", "never closed", "structs", "a long name"],
)
def test_depths_of_a_vmdescription(text: str) -> None:
    answered(with_text(text))


def test_twenty_thousand_fields() -> None:
    fields = [{"name": f"a{i}", "type": "uint8", "size": 1} for i in range(20_000)]
    device: dict[str, Any] = {"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, "fields": fields}
    data = front() + section(framing.SECTION_FULL, 1, "dev", 1, bytes(20_000)) + described([device])
    stream = vnetmig.load(data)
    assert stream.device("dev")["a19999"] == 0
    assert stream.encode() == data


def test_subsections_in_subsections() -> None:
    inner: dict[str, Any] = {"vmsd_name": "dev/s" * 40, "version": 1, "fields": []}
    for level in range(90):
        inner = {"vmsd_name": f"dev/{level}", "version": 1, "fields": [], "subsections": [inner]}
    device = {"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, "fields": [], "subsections": [inner]}
    answered(front() + section(framing.SECTION_FULL, 1, "dev", 1, b"") + described([device]))


# RAM


def ram(payload: bytes, *capabilities: str) -> bytes:
    return front(*capabilities) + section(framing.SECTION_START, 1, "ram", 4, payload)


@pytest.mark.parametrize("size", [edge for edge in EDGES if edge < 1 << 64])
def test_sizes_of_ram_blocks(size: int) -> None:
    total = (size & ~0xFFF & (1 << 64) - 1 | 4).to_bytes(8, "big")
    for length in (size, 4096):
        answered(ram(total + b"\x06pc.ram" + length.to_bytes(8, "big") + EOS))
        answered(ram((8192 | 4).to_bytes(8, "big") + b"\x06pc.ram" + length.to_bytes(8, "big") + EOS))


def test_more_blocks_than_any_guest() -> None:
    blocks = b"".join(b"\x04" + f"{i:04x}".encode() + (4096).to_bytes(8, "big") for i in range(60_000))
    stream = answered(ram((60_000 * 4096 | 4).to_bytes(8, "big") + blocks + EOS))
    assert stream.error is not None and "RAM blocks" in stream.error.message


@pytest.mark.parametrize("at", range(4))
def test_numbers_of_a_mapped_ram_header(at: int) -> None:
    start = (8192 | 4).to_bytes(8, "big") + b"\x06pc.ram" + (8192).to_bytes(8, "big")
    place = len(ram(start, "mapped-ram")) - 5 + MappedHeader.SIZE
    usual = [1, 4096, place, 1 << 20]
    for edge in (0, 1, 3, *EDGES):
        numbers = list(usual)
        numbers[at] = edge & ((1 << 32) - 1 if at == 0 else (1 << 64) - 1)
        header = struct.pack(">IQQQ", *numbers)
        stream = answered(ram(start + header + bytes(5000), "mapped-ram"))
        assert stream.error is not None


# Around the stream


@pytest.mark.parametrize("word", range(5))
def test_numbers_of_a_libvirt_header(word: int) -> None:
    image = bytearray(LibvirtImage(b"<domain/>", 1).encode())
    for edge in (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        image[16 + 4 * word : 20 + 4 * word] = edge.to_bytes(4, "little")
        with little_memory():
            stream = vnetmig.load(bytes(image) + stream_bytes()[:2000], partial=True)
        assert stream.error is not None


MEMORIES: dict[str, str] = {
    "no object": "[" * 100_000,
    "an address beyond": json.dumps({hex(1 << 64): "AAAA"}),
    "an address of 5,000 digits": '{"' + "9" * 5000 + '":"AAAA"}',
    "a negative one": '{"-4096":"' + "A" * 5464 + '"}',
    "no base64": '{"0x1000":"\\u0000<"}',
    "a number": '{"0x1000":1e999}',
    "nested": '{"0x1000":' + "{" * 10_000,
}


@pytest.mark.parametrize("text", MEMORIES.values(), ids=MEMORIES.keys())
def test_memory_files(text: str, tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    path.write_text(text)
    with little_memory(), pytest.raises(StreamError, match="Not guest memory"):
        vnetmig.load(stream_bytes(), memory=path)
    result = run("inspect", "-", "--memory", path, stdin=stream_bytes())
    assert result.exit_code == 3 and "Traceback" not in result.stderr


# Text

TEXTS: dict[str, bytes] = {
    "zeros": bytes(100_000),
    "no UTF-8": b"\xff\xfe\x80" * 30_000,
    "one line": b"x" * (1 << 20),
    "quotes": b"'" * 100_000,
    "brackets": b"[" * 100_000,
    "assignments": b"a." * 500 + b"b=1",
    "options": b"qemu-system-x86_64 " + b"-device virtio-net-pci,mq=on,vectors=99999999999999999999 " * 2000,
    "a number": b"qemu-system-x86_64 -M pc -m 99999999999999999999999999T -smp 1e999",
}


@pytest.mark.parametrize("text", TEXTS)
def test_texts(text: str, tmp_path: Path) -> None:
    path = tmp_path / "text.toml"
    path.write_bytes(TEXTS[text])
    result = run("profile", path)
    assert result.exit_code in (2, 3)
    assert all(line.isprintable() for line in result.output.split("\n"))
    assert len(result.stderr) < 10_000
