"""What a stream is made of: one frozen dataclass per thing on the wire, in the order they come.

Knows how each thing is written: ``b"".join(event.encode() for event in events)`` is the stream again, from
values. Must not know how events are found in bytes (reader) or in which order they are legal.
``offset`` is absolute in the stream and ``size`` the length on the wire; encoding uses neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from vnetmig.stream import framing, vmdescription
from vnetmig.stream.commands import NOTHING, CommandPayload
from vnetmig.stream.configuration import ConfigurationBody
from vnetmig.stream.cursor import be, counted
from vnetmig.stream.payload import Payload, SectionHeader
from vnetmig.stream.vmdescription import Description


@dataclass(frozen=True, slots=True)
class FileHeader:
    magic: int = framing.FILE_MAGIC
    version: int = framing.FILE_VERSION
    offset: int = 0
    size: int = framing.FILE_HEADER_SIZE

    def encode(self) -> bytes:
        return be(self.magic, 4, "magic") + be(self.version, 4, "file version")


@dataclass(frozen=True, slots=True)
class Configuration:
    """0x07, directly behind the file header, unless the machine type is 2.3 or older."""

    body: ConfigurationBody
    offset: int = 0
    size: int = 0

    def encode(self) -> bytes:
        return bytes((framing.CONFIGURATION,)) + self.body.encode()


@dataclass(frozen=True, slots=True)
class SectionStart:
    """Header of a START, PART, END or FULL section. In PART and END only ``section_id`` is on the wire:
    the rest of ``header`` is that of the START with this id."""

    header: SectionHeader
    offset: int = 0
    size: int = 0

    @property
    def type(self) -> int:
        return self.header.type

    @property
    def section_id(self) -> int:
        return self.header.section_id

    @property
    def idstr(self) -> str:
        return self.header.idstr

    @property
    def instance_id(self) -> int:
        return self.header.instance_id

    @property
    def version_id(self) -> int:
        return self.header.version_id

    def encode(self) -> bytes:
        header = self.header
        start = bytes((header.type,)) + be(header.section_id, 4, "section_id")
        if header.type in framing.RESUMED_SECTIONS:
            return start
        instance = be(header.instance_id, 4, "instance_id")
        return start + counted(header.idstr, "idstr") + instance + be(header.version_id, 4, "version_id")


@dataclass(frozen=True, slots=True)
class SectionPayload:
    """A payload, or a part of one. ``last``: the payload ends here. ``assumed``: nothing describes it, and
    its end is where its footer was found to fit."""

    payload: Payload
    offset: int = 0
    size: int = 0
    last: bool = True
    assumed: bool = False

    def encode(self) -> bytes:
        return self.payload.encode()


@dataclass(frozen=True, slots=True)
class SectionFooter:
    section_id: int
    offset: int = 0
    size: int = framing.FOOTER_SIZE

    def encode(self) -> bytes:
        return bytes((framing.SECTION_FOOTER,)) + be(self.section_id, 4, "section_id")


@dataclass(frozen=True, slots=True)
class Command:
    """For PACKAGED, the events up to ``PackageEnd`` are the ``payload.length`` bytes that follow."""

    number: int
    payload: CommandPayload = NOTHING
    offset: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        return framing.COMMANDS[self.number].name

    def encode(self) -> bytes:
        payload = self.payload.encode()
        header = bytes((framing.COMMAND,)) + be(self.number, 2, "command") + be(len(payload), 2, "command length")
        return header + payload


@dataclass(frozen=True, slots=True)
class PackageEnd:
    """The bytes of a PACKAGED command end here; nothing on the wire says so."""

    offset: int = 0
    size: int = 0

    def encode(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Eof:
    offset: int = 0
    size: int = 1

    def encode(self) -> bytes:
        return bytes((framing.EOF,))


@dataclass(frozen=True, slots=True)
class VmDescription:
    """0x06, behind the EOF."""

    description: Description
    offset: int = 0
    size: int = 0

    def encode(self) -> bytes:
        return vmdescription.encode_section(self.description.encode())


@dataclass(frozen=True, slots=True)
class Trailing:
    """Bytes behind the end that no loader reads, in pieces of at most ``framing.TRAILING_CHUNK``."""

    data: bytes
    offset: int = 0
    size: int = 0

    def encode(self) -> bytes:
        return self.data


Event = (
    FileHeader
    | Configuration
    | SectionStart
    | SectionPayload
    | SectionFooter
    | Command
    | PackageEnd
    | Eof
    | VmDescription
    | Trailing
)
