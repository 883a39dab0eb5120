"""Every thing on the wire, both ways: one list of vectors for writer and reader."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream import framing
from vnetmig.stream.commands import Nothing, Packaged, Ping, PostcopyAdvise, RamDiscard, RecvBitmap
from vnetmig.stream.configuration import ConfigurationBody
from vnetmig.stream.events import (
    Command,
    Configuration,
    Eof,
    Event,
    FileHeader,
    PackageEnd,
    SectionFooter,
    SectionPayload,
    SectionStart,
    Trailing,
    VmDescription,
)
from vnetmig.stream.payload import Raw, SectionHeader
from vnetmig.stream.reader import read_events
from vnetmig.stream.states import TRANSITIONS, State, Turn
from vnetmig.stream.vmdescription import Description
from vnetmig.stream.writer import StreamWriter


def wire(text: str) -> bytes:
    """Annotated hex, one field per line; what stands behind # is for people."""
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


HEAD = "5145 564d 0000 0003"
MACHINE = "07 0000 0002 7063"  # "pc"
DEVICE = "04 0000 0007 01 61 0000 0000 0000 0001 aabb 7e 0000 0007"  # FULL 7 "a" 0 v1, two bytes, footer


def device(offset: int) -> list[Event]:
    return [
        SectionStart(SectionHeader(framing.SECTION_FULL, 7, "a", 0, 1), offset, 15),
        SectionPayload(Raw(b"\xaa\xbb"), offset + 15, 2, assumed=True),
        SectionFooter(7, offset + 17),
    ]


CASES: list[tuple[str, list[Event], str]] = [
    ("EOF at once", [Eof(8)], "00"),
    (
        "configuration and a device",
        [Configuration(ConfigurationBody("pc"), 8, 7), *device(15), Eof(37)],
        f"{MACHINE} {DEVICE} 00",
    ),
    (
        "OPEN_RETURN_PATH, PING",
        [Command(framing.OPEN_RETURN_PATH, Nothing(), 8, 5), Command(framing.PING, Ping(1), 13, 9), Eof(22)],
        """
        08 0001 0000            # no payload
        08 0002 0004 0000 0001  # value
        00
        """,
    ),
    (
        "both POSTCOPY_ADVISE",
        [
            Command(framing.POSTCOPY_ADVISE, PostcopyAdvise(0x201000, 0x1000), 8, 21),
            Command(framing.POSTCOPY_ADVISE, PostcopyAdvise(), 29, 5),
            Eof(34),
        ],
        """
        08 0003 0010
        0000 0000 0020 1000     # all RAM page sizes
        0000 0000 0000 1000     # target page size
        08 0003 0000            # dirty bitmaps only
        00
        """,
    ),
    (
        "POSTCOPY_RAM_DISCARD",
        [
            Command(framing.POSTCOPY_RAM_DISCARD, RamDiscard("pc.ram", ((0x1000, 0x2000), (0x8000, 0x1000))), 8, 46),
            Eof(54),
        ],
        """
        08 0006 0029
        00                      # version
        06 7063 2e72 616d       # "pc.ram"
        00
        0000 0000 0000 1000  0000 0000 0000 2000
        0000 0000 0000 8000  0000 0000 0000 1000
        00
        """,
    ),
    (
        "commands without payload, and RECV_BITMAP",
        [
            Command(framing.POSTCOPY_LISTEN, Nothing(), 8, 5),
            Command(framing.ENABLE_COLO, Nothing(), 13, 5),
            Command(framing.POSTCOPY_RESUME, Nothing(), 18, 5),
            Command(framing.SWITCHOVER_START, Nothing(), 23, 5),
            Command(framing.POSTCOPY_RUN, Nothing(), 28, 5),
            Command(framing.RECV_BITMAP, RecvBitmap("ram"), 33, 9),
            Eof(42),
        ],
        "08 0004 0000  08 0008 0000  08 0009 0000  08 000b 0000  08 0005 0000  08 000a 0004 03 7261 6d  00",
    ),
    (
        "a package, its RUN, what no loader reads in it, and what follows it",
        [
            Configuration(ConfigurationBody("pc"), 8, 7),
            Command(framing.PACKAGED, Packaged(0x1D), 15, 9),
            *device(24),
            Command(framing.POSTCOPY_RUN, Nothing(), 46, 5),
            Trailing(b"\xff\xff", 51, 2),
            PackageEnd(53),
            Command(framing.PING, Ping(4), 53, 9),
            Eof(62),
        ],
        f"{MACHINE} 08 0007 0004 0000 001d  {DEVICE}  08 0005 0000 ffff   08 0002 0004 0000 0004  00",
    ),
    (
        "packages that end without RUN, by EOF, and at once",
        [
            Command(framing.PACKAGED, Packaged(5), 8, 9),
            Command(framing.POSTCOPY_LISTEN, Nothing(), 17, 5),
            PackageEnd(22),
            Command(framing.PACKAGED, Packaged(1), 22, 9),
            Eof(31),
            PackageEnd(32),
            Command(framing.PACKAGED, Packaged(0), 32, 9),
            PackageEnd(41),
            Eof(41),
        ],
        """
        08 0007 0004 0000 0005  08 0004 0000
        08 0007 0004 0000 0001  00
        08 0007 0004 0000 0000
        00
        """,
    ),
    (
        "vmdescription and trailing bytes",
        [Eof(8), VmDescription(Description(b"{}"), 9, 7), Trailing(b"\0\0\0", 16, 3)],
        "00 06 0000 0002 7b7d 000000",
    ),
    ("trailing bytes only", [Eof(8), Trailing(b"\x07!", 9, 2)], "00 0721"),
]


def read(data: bytes, pieces: Sequence[bytes] | None = None) -> list[Event]:
    return list(read_events([data] if pieces is None else pieces, lambda header: None))


@pytest.mark.parametrize(("events", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_thing_both_ways(events: list[Event], text: str) -> None:
    data = wire(HEAD + text)
    everything = [FileHeader(), *events]
    assert b"".join(event.encode() for event in everything) == data
    assert read(data) == everything
    assert read(data, [data[at : at + 1] for at in range(len(data))]) == everything
    at = 0
    for event in everything:
        assert event.offset == at
        assert event.encode() == data[at : at + event.size]
        at += event.size
    assert at == len(data)


@pytest.mark.parametrize("text", [case[2] for case in CASES if "trailing" not in case[0]])
def test_each_thing_cut_short(text: str) -> None:
    data = wire(HEAD + text)
    for length in range(len(data)):
        with pytest.raises(StreamError) as caught:
            read(data[:length])
        assert caught.value.code == "truncated"
        assert 0 <= caught.value.offset <= length


def head(text: str) -> bytes:
    return wire(HEAD + MACHINE + text)


REFUSALS: list[tuple[str, bytes, str, int]] = [
    # what                           bytes                                       QEMU's words       offset
    ("nothing", b"", "Not a migration stream", 0),
    ("magic", wire("5145 5658 0000 0003"), "Not a migration stream", 0),
    ("multifd", wire("1122 3344 0000 0001"), "Not a migration stream: this is a multifd channel", 0),
    ("xz", b"\xfd7zXZ\0\0\4", "Not a migration stream: this is an .xz file", 0),
    ("version 2", wire("5145 564d 0000 0002"), "SaveVM v2 format is obsolete and don't work anymore", 4),
    ("version 4", wire("5145 564d 0000 0004"), "Unsupported migration stream version", 4),
    ("type 9", head("09"), "Unknown savevm section type 9", 15),
    ("a footer alone", head("7e 0000 0000"), "Unknown savevm section type 126", 15),
    ("a second configuration", head(MACHINE), "Unknown savevm section type 7", 15),
    ("no EOF before the vmdescription", head("06 0000 0000"), "Unknown savevm section type 6", 15),
    ("PART of nothing", head("02 0000 0005"), "Unknown savevm section 5", 16),
    ("END of nothing", head("03 ffff ffff"), "Unknown savevm section 4294967295", 16),
    ("PART of a FULL", head(DEVICE + "02 0000 0007"), "Unknown savevm section 7", 38),
    ("no name", head("04 0000 0001 00 0000 0000 0000 0000"), "Unknown savevm section or instance ''", 20),
    ("a name of noise", head("04 0000 0001 02 01ff 0000 0000 0000 0000"), "the header of a FULL section is n", 21),
    ("command 0", head("08 0000 0000"), "MIG_CMD 0x0 unknown (len 0x0)", 20),
    ("command 12", head("08 000c 0003"), "MIG_CMD 0xc unknown (len 0x3)", 20),
    ("PING of 3", head("08 0002 0003"), "PING received with bad length - expecting 4, got 3", 20),
    ("ADVISE of 8", head("08 0003 0008 0000000000000000"), "CMD_POSTCOPY_ADVISE invalid length (8)", 20),
    ("DISCARD of 4", head("08 0006 0004 00000000"), "CMD_POSTCOPY_RAM_DISCARD invalid length (4)", 20),
    ("DISCARD v1", head("08 0006 0014 01" + "00" * 19), "CMD_POSTCOPY_RAM_DISCARD invalid version (1)", 20),
    ("DISCARD unnamed", head("08 0006 0014" + "00" * 20), "CMD_POSTCOPY_RAM_DISCARD Failed to read", 21),
    ("DISCARD named", head("08 0006 0014 0013" + "61" * 18), "CMD_POSTCOPY_RAM_DISCARD Failed to read", 21),
    ("DISCARD nil", head("08 0006 0014 0001 61 05" + "00" * 16), "CMD_POSTCOPY_RAM_DISCARD missing nil (5)", 23),
    ("DISCARD odd", head("08 0006 0015 0001 61 00" + "00" * 17), "CMD_POSTCOPY_RAM_DISCARD invalid length (21", 20),
    ("BITMAP", head("08 000a 0003 0161 00"), "loadvm_handle_recv_bitmap: invalid payload length (3)", 20),
    ("package", head("08 0007 0004 ffffffff"), "Unreasonably large packaged state: 4294967295", 20),
    ("package in package", head("08 0007 0004 00000009 08 0007 0004 00000000"), "A package inside a package", 24),
    ("vmdescription", head("00 06 ffffffff"), "Unreasonably large vmdescription: 4294967295", 17),
]


@pytest.mark.parametrize(
    ("data", "message", "offset"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_refusals_start_with_qemus_words(data: bytes, message: str, offset: int) -> None:
    with pytest.raises(StreamError) as caught:
        read(data)
    assert str(caught.value).startswith(message)
    assert caught.value.offset == offset


def test_a_section_must_not_cross_the_end_of_its_package() -> None:
    with pytest.raises(StreamError, match="in a package that ends at 0x1a") as caught:
        read(wire(HEAD + MACHINE + "08 0007 0004 0000 0002" + DEVICE + "00"))
    assert (caught.value.code, caught.value.offset) == ("truncated", 26)


def test_the_table_reaches_every_state_from_the_first_and_none_is_a_trap() -> None:
    reached = {State.HEADER}
    for _ in TRANSITIONS:
        reached |= {to for (state, _), to in TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.DONE}


def test_the_writer_shares_the_order_and_the_encoders() -> None:
    writer = StreamWriter()
    written = [writer.header(), writer.configuration("pc")]
    written += [writer.start(2, "ram", 0, 4), writer.payload(b"12345678"), writer.footer()]
    written += [writer.part(2), writer.payload(b"1234", last=False), writer.payload(b"5678"), writer.footer()]
    written += [writer.command(framing.SWITCHOVER_START), writer.command(framing.PING, Ping(2))]
    written += [writer.end(2), writer.payload(b""), writer.footer()]
    content = writer.command(framing.POSTCOPY_LISTEN) + writer.full(7, "a", 0, 1) + writer.payload(b"\xaa\xbb")
    content += writer.footer() + writer.command(framing.POSTCOPY_RUN)
    written += [writer.package(content), writer.eof(), writer.vmdescription(Description(b"{}"))]
    data = b"".join(written)
    assert writer.written == len(data)
    assert data == wire(f"""
        {HEAD} {MACHINE}
        01 0000 0002 03 7261 6d 0000 0000 0000 0004  3132 3334 3536 3738  7e 0000 0002
        02 0000 0002  3132 3334 3536 3738  7e 0000 0002
        08 000b 0000
        08 0002 0004 0000 0002
        03 0000 0002  7e 0000 0002
        08 0007 0004 0000 0020  08 0004 0000  {DEVICE}  08 0005 0000
        00
        06 0000 0002 7b7d
    """)


def test_a_writer_for_an_old_machine_writes_neither_configuration_nor_footers() -> None:
    writer = StreamWriter(footers=False)
    written = writer.header() + writer.full(7, "a", 0, 1) + writer.payload(b"\xaa\xbb") + writer.footer()
    assert written + writer.eof() == wire(f"{HEAD} {DEVICE[: -len('7e 0000 0007')]} 00")


def test_a_writer_refuses_what_cannot_come() -> None:
    writer = StreamWriter()
    with pytest.raises(EncodeError, match="Eof cannot be written here; next is: file header"):
        writer.eof()
    writer.header()
    with pytest.raises(EncodeError, match="no section is open"):
        writer.footer()
    with pytest.raises(EncodeError, match="PART of section 3, which has no START"):
        writer.part(3)
    with pytest.raises(EncodeError, match="SectionPayload cannot"):
        writer.payload(b"")
    with pytest.raises(EncodeError, match="does not exist"):
        writer.command(12)
    with pytest.raises(EncodeError, match="PING has 4 bytes of payload, not 0"):
        writer.command(framing.PING)
    with pytest.raises(EncodeError, match="package"):
        writer.command(framing.PACKAGED, Packaged(3))
    with pytest.raises(EncodeError, match="do not fit a counted string"):
        writer.full(1, "a" * 256, 0, 1)
    with pytest.raises(EncodeError, match="not printable ASCII"):
        writer.full(1, "größe", 0, 1)
    with pytest.raises(EncodeError, match="does not fit 32 unsigned bits"):
        writer.full(1 << 32, "a", 0, 1)
    writer.full(1, "a", 0, 1)
    with pytest.raises(EncodeError, match="next is: payload of a section"):
        writer.full(2, "b", 0, 1)


def test_every_outcome_of_the_table_is_an_event_or_a_turn() -> None:
    for _, outcome in TRANSITIONS:
        assert isinstance(outcome, Turn) or hasattr(outcome, "encode")


def test_a_payload_may_be_a_value() -> None:
    def written(payload: Raw | bytes) -> bytes:
        writer = StreamWriter()
        return writer.header() + writer.full(1, "a", 0, 1) + writer.payload(payload) + writer.footer()

    assert written(Raw(b"state")) == written(b"state")
