"""RAM payloads by hand: the bytes one field per line, and the words they are."""

from __future__ import annotations

import struct
import zlib

from ram_arrival import wire

from vnetmig.stream.ram import Grammar
from vnetmig.stream.ram_words import (
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
)

PAGE = bytes(range(256)) * 16
DEFLATED = zlib.compress(PAGE)
PLAIN = Grammar()
SHARED = Grammar(ignore_shared=True)
POSTCOPY = Grammar(postcopy=True)
BOTH = Grammar(ignore_shared=True, postcopy=True)
RAM = Block("a", 0x10000)

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
        wire(LIST + "0000 0000 0000 3100  01 61" + struct.pack(">I", len(DEFLATED)).hex() + DEFLATED.hex() + EOS),
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
