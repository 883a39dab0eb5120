"""Mutations of the refusal corpus above the devices: file header, configuration, sections, RAM, the end.

Each function is one group: it yields (name, edits).
"""

from __future__ import annotations

from collections.abc import Iterator

from refused_corpus import Edit

from refused_subject import Mutation, Subject, subsection
from vnetmig.document.section import Section


def be(value: int, size: int = 4) -> bytes:
    return (value % (1 << 8 * size)).to_bytes(size, "big")


def named(name: bytes) -> bytes:
    return bytes((len(name),)) + name


def header(s: Subject) -> Iterator[Mutation]:
    for magic in (b"QEVX", b"MVEQ", bytes(4), b"\x1f\x8b\x08\0", b"Libv"):
        yield f"magic={magic.hex()}", (Edit(0, 4, magic),)
    for version in (0, 1, 2, 4, 0x03000000, 0xFFFFFFFF):
        yield f"version={version:#x}", (Edit(4, 4, be(version)),)
    for end in (0, 1, 4, 7, 8):
        yield f"cut={end}", (s.cut(end),)
    yield "a byte too many in front", (Edit(0, 0, b"\0"),)
    for kind in (0x00, 0x01, 0x04, 0x06, 0x08, 0xFF):
        yield f"configuration type={kind:#x}", (Edit(8, 1, bytes((kind,))),)
    yield "no configuration", (Edit(8, s.sections["ram"].offset - 8, b""),)


def configuration(s: Subject) -> Iterator[Mutation]:
    assert s.stream.machine is not None
    name = s.stream.machine.encode()
    length, end = 9, 13 + len(name)
    for value in (0, 1, 2, 255, 256, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        yield f"len={value:#x}", (Edit(length, 4, be(value)),)
    yield "len+1", (Edit(length, 4, be(len(name) + 1)),)
    yield "len-1", (Edit(length, 4, be(len(name) - 1)),)
    others = (b"", b"pc", b"pc-i440fx", name[:-1], name + b"0", b"xc" + name[2:], b"pc-q35-7.2", b"pc-i440fx-2.9")
    for other in (*others, name.upper(), name + b"\0", b"pc-i440fx-99.0", b"microvm"):
        yield f"name={other!r}", (Edit(length, 4 + len(name), be(len(other)) + other),)
    for capabilities in (
        *((b"x-ignore-shared",), (b"mapped-ram",), (b"events",), (b"xbzrle",), (b"nonsense",), (b"validate-uuid",)),
        *((b"",), (b"X" * 255,), (b"x-ignore-shared", b"mapped-ram"), (), (b"postcopy-ram",), (b"multifd",)),
    ):
        content = be(len(capabilities)) + b"".join(map(named, capabilities))
        what = ",".join(c.decode()[:20] for c in capabilities)
        yield f"capabilities={what}", (Edit(end, 0, subsection("configuration/capabilities", content)),)
    good = be(0)
    for count in (1, 1000, 0xFFFFFFFF):
        content = be(count)
        yield f"capability count={count:#x} alone", (Edit(end, 0, subsection("configuration/capabilities", content)),)
    for version in (0, 2, 99):
        yield (
            f"capabilities version={version}",
            (Edit(end, 0, subsection("configuration/capabilities", good, version)),),
        )
    for uuid in (bytes(16), bytes(range(16))):
        yield f"uuid={uuid.hex()}", (Edit(end, 0, subsection("configuration/uuid", uuid)),)
    for bits in (0, 10, 12, 13, 16, 0xFFFFFFFF):
        yield f"page bits={bits:#x}", (Edit(end, 0, subsection("configuration/target-page-bits", be(bits))),)
    yield "unknown subsection", (Edit(end, 0, subsection("configuration/nonsense", b"")),)
    yield "foreign subsection", (Edit(end, 0, subsection("virtio/started", b"\1")),)
    yield "twice", (Edit(8, 0, s.bytes(8, end)),)


def _edges(section: Section) -> tuple[int, int, int]:
    """(section id, name length, payload) of a section with a full header."""
    return section.span[0] + 1, section.span[0] + 5, section.payload_span[0]


def _framing_of(s: Subject, section: Section) -> Iterator[Mutation]:
    begin, end = section.span
    at_id, at_name, payload = _edges(section)
    name = section.idstr.encode()
    at_instance = at_name + 1 + len(name)
    footer = section.payload_span[1]
    for kind in (0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x09, 0x7E, 0xFF):
        yield f"type={kind:#x}", (Edit(begin, 1, bytes((kind,))),)
    for section_id in (0, 2, 3, 0x1000, 0xFFFFFFFF):
        yield f"id={section_id:#x} without footer", (Edit(at_id, 4, be(section_id)),)
        yield f"id={section_id:#x} with footer", (Edit(at_id, 4, be(section_id)), Edit(footer + 1, 4, be(section_id)))
    other = (b"", b"virtio-net", b"virtio-ne", b"net", b"nonsense", name + b"0", b"0000:00:09.0/virtio-net", b"X" * 255)
    for idstr in (*other, name.replace(b"virtio", b"VIRTIO"), b"0000:00:02.1/virtio-net", b"0000:01:02.0/virtio-net"):
        yield f"idstr={idstr.decode()[:24]}", (Edit(at_name, 1 + len(name), named(idstr)),)
    yield "idstr length+1", (Edit(at_name, 1, bytes((len(name) + 1,))),)
    yield "idstr length-1", (Edit(at_name, 1, bytes((len(name) - 1,))),)
    for instance in (1, 2, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"instance={instance:#x}", (Edit(at_instance, 4, be(instance)),)
    for version in (0, 1, 2, 3, 4, 5, 10, 12, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        if version != section.version_id:
            yield f"version={version:#x}", (Edit(payload - 4, 4, be(version)),)
    for mark in (0x00, 0x04, 0x05, 0x7F, 0xFE):
        yield f"footer mark={mark:#x}", (Edit(footer, 1, bytes((mark,))),)
    for section_id in (0, section.section_id + 1, section.section_id + 100, 0xFFFFFFFF):
        yield f"footer id={section_id:#x}", (Edit(footer + 1, 4, be(section_id)),)
    yield "no footer", (Edit(footer, 5, b""),)
    yield "footer twice", (Edit(end, 0, s.bytes(footer, end)),)
    yield "a byte too many", (Edit(footer, 0, b"\0"),)
    yield "a byte too few", (Edit(footer - 1, 1, b""),)
    yield "removed", (Edit(begin, end - begin, b""),)
    yield "twice", (Edit(end, 0, s.bytes(begin, end)),)
    yield "header alone", (Edit(payload, footer - payload, b""),)


def framing(s: Subject) -> Iterator[Mutation]:
    nic = s.nic.section
    for name, edits in _framing_of(s, nic):
        yield f"net {name}", edits
    for name, edits in _framing_of(s, s.sections["ram"]):
        yield f"ram {name}", edits
    begin, end = nic.span
    following = next(section for section in s.stream.sections if section.span[0] >= end)
    yield (
        "net behind the next section",
        (Edit(begin, end - begin, b""), Edit(following.span[1], 0, s.bytes(begin, end))),
    )
    final = s.stream.sections[-1].span[1]
    yield "net at the end", (Edit(begin, end - begin, b""), Edit(final, 0, s.bytes(begin, end)))
    unknown = b"\4" + be(0x55) + named(b"nonsense") + be(0) + be(1) + b"\x7e" + be(0x55)
    yield "unknown section in front", (Edit(begin, 0, unknown),)
    yield "part of an unknown section", (Edit(begin, 0, b"\2" + be(0x55) + b"\x7e" + be(0x55)),)
    yield "end of an unknown section", (Edit(begin, 0, b"\3" + be(0x55) + b"\x7e" + be(0x55)),)
    yield "part of a device", (Edit(end, 0, b"\2" + s.bytes(begin + 1, begin + 5)),)
    for name, what in (
        *(("end of file", b"\0"), ("configuration", b"\7"), ("subsection", subsection("virtio-net/x", b""))),
        *(("footer", b"\x7e" + be(1)), ("description", b"\6" + be(2) + b"{}"), ("zeros", bytes(64))),
    ):
        yield f"{name} in front of net", (Edit(begin, 0, what),)
    for number, length, body in (
        *(
            (0, 0, b""),
            (1, 0, b""),
            (1, 4, bytes(4)),
            (2, 4, be(1)),
            (2, 3, b"\0\0\0"),
            (3, 0, b""),
            (3, 16, bytes(16)),
        ),
        *((4, 0, b""), (5, 0, b""), (6, 13, bytes(13)), (7, 4, be(0)), (7, 4, be(16)), (8, 0, b""), (9, 0, b"")),
        *((10, 0, b""), (11, 0, b""), (12, 0, b""), (99, 0, b""), (0xFFFF, 0, b""), (2, 4, b"")),
    ):
        command = b"\x08" + be(number, 2) + be(length, 2) + body
        yield f"command {number} length {length} body {body.hex()}", (Edit(begin, 0, command),)


def every_section(s: Subject) -> Iterator[Mutation]:
    """The same few changes to every section of the machine."""
    for section in s.stream.sections:
        if section.type != "full" or section is s.nic.section:
            continue
        (begin, end), (payload, footer) = section.span, section.payload_span
        where = f"{section.idstr}#{section.instance_id}"
        yield f"{where} version+1", (Edit(payload - 4, 4, be(section.version_id + 1)),)
        yield f"{where} version=0", (Edit(payload - 4, 4, be(0)),)
        yield f"{where} instance+1", (Edit(payload - 8, 4, be(section.instance_id + 1)),)
        yield f"{where} removed", (Edit(begin, end - begin, b""),)
        yield f"{where} twice", (Edit(end, 0, s.bytes(begin, end)),)
        yield f"{where} one byte less", (Edit(footer - 1, 1, b""),)
        yield f"{where} one byte more", (Edit(footer, 0, b"\0"),)
        yield f"{where} cut in the middle", (s.cut((payload + footer) // 2),)
        if footer - payload >= 4:
            yield (
                f"{where} first word inverted",
                (Edit(payload, 4, bytes(255 - byte for byte in s.bytes(payload, payload + 4))),),
            )


def ending(s: Subject) -> Iterator[Mutation]:
    at = s.stream.sections[-1].span[1]
    total = len(s.data)
    yield "no end of file", (Edit(at, 1, b""),)
    yield "ends at end of file", (s.cut(at + 1),)
    yield "ends before end of file", (s.cut(at),)
    yield "ends behind the type of the description", (s.cut(at + 2),)
    yield "ends in the length of the description", (s.cut(at + 4),)
    yield "ends in the description", (s.cut(at + 100),)
    yield "last byte missing", (s.cut(total - 1),)
    yield "bytes behind the end", (Edit(total, 0, bytes(100)),)
    for length in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        yield f"description length={length:#x}", (Edit(at + 2, 4, be(length)),)
    yield "description is no JSON", (Edit(at + 6, 10, b"!" * 10),)
    for kind in (0x00, 0x01, 0x05, 0x07, 0x08, 0xFF):
        yield f"type of the description={kind:#x}", (Edit(at + 1, 1, bytes((kind,))),)
    for kind in (0x05, 0x06, 0x07, 0x7E, 0xFF):
        yield f"type of the end={kind:#x}", (Edit(at, 1, bytes((kind,))),)


def ram(s: Subject) -> Iterator[Mutation]:
    start = s.sections["ram"].payload_span
    blocks = s.bytes(*start)
    total = int.from_bytes(blocks[:8], "big") & -4096
    first = start[0] + 8
    length = blocks[8]
    for value in (0, 0x1000, total - 0x1000, total + 0x1000, 1 << 40):
        yield f"total={value:#x}", (Edit(start[0], 8, be(value | 4, 8)),)
    for size in (0, 0x1000, 0x5FFF000, 0x6001000, 0x6000001, 1 << 40, 1 << 63):
        yield f"pc.ram length={size:#x}", (Edit(first + 1 + length, 8, be(size, 8)),)
        yield (
            f"pc.ram length={size:#x} with total",
            (
                Edit(start[0], 8, be((total - 0x6000000 + size) & -4096 | 4, 8)),
                Edit(first + 1 + length, 8, be(size, 8)),
            ),
        )
    for name in (b"", b"pc.rom", b"pc.rax", b"ram0", b"/x/y", b"X" * 255):
        yield f"pc.ram called {name.decode()[:20]}", (Edit(first, 1 + length, named(name)),)
    for flags in (0x00, 0x01, 0x02, 0x08, 0x10, 0x40, 0x80, 0x100, 0x200, 0x400):
        yield f"start flags={flags:#x}", (Edit(start[0], 8, be(total | flags, 8)),)
    part = next(section for section in s.stream.sections if section.idstr == "ram" and section.type == "part")
    at = part.payload_span[0]
    word = int.from_bytes(s.bytes(at, at + 8), "big")
    page, flags = word & -4096, word & 4095
    name_length = s.data[at + 8]
    for other in (0, 1, 2, 4, 0x10, 0x20 | flags, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x18, 0xA, flags | 1):
        yield f"page flags={other:#x}", (Edit(at, 8, be(page | other, 8)),)
    for address in (0x5FFF000, 0x6000000, 0x6001000, 1 << 40, (1 << 64) - 4096):
        yield f"page address={address:#x}", (Edit(at, 8, be(address | flags, 8)),)
    for name in (b"", b"pc.bios", b"pc.nothing", b"X" * 255):
        yield f"page of block {name.decode()[:20]}", (Edit(at + 8, 1 + name_length, named(name)),)
    last = part.payload_span[1] - 8
    yield "part without end", (Edit(last, 8, b""),)
    yield "zero page", (Edit(last, 0, be(0x3000000 | 0x22, 8) + b"\0"),)
    yield "page filled with 0x55", (Edit(last, 0, be(0x3000000 | 0x22, 8) + b"\x55"),)
    ended = s.stream.sections[s.stream.sections.index(part) + 1]
    yield "no end section", (Edit(ended.span[0], ended.span[1] - ended.span[0], b""),)
    yield "no part section", (Edit(part.span[0], part.span[1] - part.span[0], b""),)
    yield "end section twice", (Edit(ended.span[1], 0, s.bytes(*ended.span)),)
    for end in (start[0], start[0] + 3, start[0] + 8, first + 3, start[1] - 3, at, at + 4, at + 8, at + 1000, last + 4):
        yield f"cut at {end:#x}", (s.cut(end),)
