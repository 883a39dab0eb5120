"""Everything in a stream but payloads, from bytes to events: one function each.

Knows the layouts and QEMU's refusals. Must not know in which order things come (reader). Each function
takes a cursor at the first byte of its thing and raises ``Short`` when the bytes at hand end inside it.
"""

from __future__ import annotations

from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.commands import Packaged, check_command, decode_command
from vnetmig.stream.configuration import read_configuration
from vnetmig.stream.cursor import Cursor
from vnetmig.stream.events import Command, Configuration, FileHeader, VmDescription
from vnetmig.stream.framing import Limits
from vnetmig.stream.payload import SectionHeader
from vnetmig.stream.vmdescription import Description

_MAGIC = framing.FILE_MAGIC.to_bytes(4, "big")


def read_file_header(cursor: Cursor, final: bool) -> FileHeader:
    start = cursor.offset
    if final and cursor.end < len(_MAGIC):
        raise cursor.fault(
            "Not a migration stream",
            expected=f"0x{_MAGIC.hex()}",
            got=f"{cursor.end} bytes",
            code="truncated",
        )
    magic = cursor.take(len(_MAGIC), "the file header")
    if magic != _MAGIC:
        other = framing.OTHER_MAGICS.get(magic)
        raise cursor.fault(
            "Not a migration stream" + (f": this is {other}" if other else ""),
            offset=start,
            expected=f"0x{_MAGIC.hex()}",
            got=f"0x{magic.hex()}",
            code="magic",
        )
    version = cursor.number(4, "the file header")
    if version != framing.FILE_VERSION:
        obsolete = version == framing.FILE_VERSION_OBSOLETE
        raise cursor.fault(
            "SaveVM v2 format is obsolete and don't work anymore"
            if obsolete
            else "Unsupported migration stream version",
            offset=start + len(_MAGIC),
            expected=framing.FILE_VERSION,
            got=version,
        )
    return FileHeader(framing.FILE_MAGIC, version, start, cursor.position)


def read_configuration_section(cursor: Cursor, limits: Limits, final: bool) -> Configuration:
    start = cursor.offset
    cursor.take(1, "the configuration section")
    cursor.section = "configuration"
    body = read_configuration(cursor, limits, final=final)
    return Configuration(body, start, cursor.position)


def read_section_id(cursor: Cursor) -> tuple[int, int]:
    """(type, section_id): how START, PART, END and FULL begin."""
    what = f"the header of a {framing.SECTION_TYPES[cursor.peek('a section type')]} section"
    return cursor.number(1, what), cursor.number(4, what)


def read_section_name(cursor: Cursor, kind: int, section_id: int) -> SectionHeader:
    """The rest of the header of START and FULL."""
    start = cursor.offset
    what = f"the header of a {framing.SECTION_TYPES[kind]} section"
    idstr = cursor.cstr(what)
    instance_id = cursor.number(4, what)
    version_id = cursor.number(4, what)
    if not idstr:
        raise cursor.fault(
            f"Unknown savevm section or instance '' {instance_id}", offset=start, expected="a name", got="''"
        )
    return SectionHeader(kind, section_id, idstr, instance_id, version_id)


def section_header(raw: bytes) -> SectionHeader:
    """The header of a START or FULL section, all of it."""
    cursor = Cursor(raw)
    return read_section_name(cursor, *read_section_id(cursor))


def read_command(cursor: Cursor, limits: Limits) -> Command:
    start = cursor.offset
    cursor.take(1, "a command")
    number = cursor.number(2, "a command")
    length = cursor.number(2, "a command")
    check_command(cursor, number, length)
    base = cursor.offset
    payload = decode_command(number, cursor.take(length, "a command"), base)
    if isinstance(payload, Packaged) and payload.length > limits.package:
        raise too_large(f"Unreasonably large packaged state: {payload.length}", base, limits.package, payload.length)
    return Command(number, payload, start, cursor.position)


def read_vmdescription(cursor: Cursor, limits: Limits) -> VmDescription:
    start = cursor.offset
    cursor.take(1, "the vmdescription")
    length = cursor.number(4, "the vmdescription")
    if length > limits.vmdescription:
        raise too_large(f"Unreasonably large vmdescription: {length}", start + 1, limits.vmdescription, length)
    text = cursor.take(length, "the vmdescription")
    return VmDescription(Description(text), start, cursor.position)


def unknown_section_type(cursor: Cursor, kind: int) -> StreamError:
    name = framing.SECTION_TYPES.get(kind)
    return cursor.fault(
        f"Unknown savevm section type {kind}",
        expected="the start of a section, a command or EOF",
        got=f"0x{kind:02x}" + (f" ({name}, which cannot stand here)" if name else ""),
    )


def too_large(message: str, offset: int, limit: int, got: int, section: str | None = None) -> StreamError:
    return StreamError(message, offset=offset, section=section, expected=f"at most {limit}", got=got, code="limit")
