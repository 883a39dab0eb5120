"""The RAM sections of real streams, found without a reader: RAM comes first and ends by itself."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ram_arrival import no_end

from vnetmig.stream.payload import Decoded
from vnetmig.stream.ram import Grammar, RamDecoder

START = b"\x03ram" + bytes(7) + b"\x04"
"""idstr, instance 0 and version 4 of the section; its id stands before, the payload behind."""


MAPPED_RAM = Path(__file__).resolve().parent.parent / "streams" / "mapped-ram-fw-q111"
"""The capture with a file layout that the repository has."""


@lru_cache(maxsize=2)
def stream_of(folder: Path) -> bytes:
    """The stream of a capture."""
    plain = folder / "stream.bin"
    return plain.read_bytes() if plain.exists() else lzma.decompress((folder / "stream.bin.xz").read_bytes())


def ram_start(data: bytes) -> int:
    """Where the payload of the START section begins."""
    return data.index(START) + len(START)


def grammar_of(data: bytes) -> Grammar:
    """What the bytes before the RAM say about its words: capabilities, an ADVISE command of 16 bytes."""
    before = data[: ram_start(data)]
    return Grammar(ignore_shared=b"x-ignore-shared" in before, postcopy=b"\x08\0\x03\0\x10" in before)


def chunks_of(data: bytes, decoder: RamDecoder) -> Iterator[tuple[int, Decoded]]:
    """Every chunk up to the first section that is not RAM, with its offset."""
    position = ram_start(data)
    section_id = data[position - len(START) - 4 : position - len(START)]
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
