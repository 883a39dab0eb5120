"""A stream with as much guest RAM as wanted: the sample, with pages of its video RAM sent again until the size is
reached. No page is zero: what a busy guest of that size sends.
"""

from __future__ import annotations

import os
from pathlib import Path

from vnetmig.document.sample import sample
from vnetmig.stream.container import open_container
from vnetmig.stream.ending import footer_mark
from vnetmig.stream.framing import SECTION_PART
from vnetmig.stream.ram_words import PAGE_SIZE, EndOfSection, Page, encode_words

BLOCK = "0000:00:02.0/vga.vram"
PAGES = 4096
"""Of the block, and of a PART: 16 MiB are what QEMU sends in 50 ms at 2.7 Gbit/s."""


def write_ram_stream(path: Path, size: int) -> None:
    """Write a stream of about ``size`` bytes to ``path``: 16 MiB more at most."""
    plain = b"".join(open_container(sample()).chunks)
    place = plain.index(b"\x03ram")
    mark = footer_mark(int.from_bytes(plain[place - 4 : place], "big"))
    place = plain.index(mark, place) + len(mark)  # behind the START section, which lists the blocks
    body = os.urandom(PAGE_SIZE)
    words = [Page(BLOCK, number * PAGE_SIZE, body, number == 0) for number in range(PAGES)]
    part = bytes([SECTION_PART]) + mark[1:] + encode_words([*words, EndOfSection()]) + mark
    with path.open("wb") as file:
        file.write(plain[:place])
        for _ in range(-(-(size - len(plain)) // len(part))):
            file.write(part)
        file.write(plain[place:])
