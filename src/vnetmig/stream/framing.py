"""The numbers of QEMU's framing: section types, commands, return-path messages, magics and limits.

Knows constants, names and fixed lengths. Must not know how anything is read or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# qemu: migration/savevm.h:QEMU_VM_FILE_MAGIC
FILE_MAGIC: Final = 0x5145564D
FILE_VERSION: Final = 3
FILE_VERSION_OBSOLETE: Final = 2
FILE_HEADER_SIZE: Final = 8
MULTIFD_MAGIC: Final = 0x11223344
"""Of each packet on a side channel (qemu: migration/multifd.h:MULTIFD_MAGIC)."""

HANDOVER_MAGIC: Final = b"VNMH"
"""What follows the end of a stream between two vnetmigs that hand over step by step (docs/protocol.md)."""

# qemu: migration/savevm.h:QEMU_VM_EOF
EOF: Final = 0x00
SECTION_START: Final = 0x01
SECTION_PART: Final = 0x02
SECTION_END: Final = 0x03
SECTION_FULL: Final = 0x04
SUBSECTION: Final = 0x05
VMDESCRIPTION: Final = 0x06
CONFIGURATION: Final = 0x07
COMMAND: Final = 0x08
SECTION_FOOTER: Final = 0x7E

SECTION_TYPES: Final[dict[int, str]] = {
    EOF: "EOF",
    SECTION_START: "START",
    SECTION_PART: "PART",
    SECTION_END: "END",
    SECTION_FULL: "FULL",
    SUBSECTION: "SUBSECTION",
    VMDESCRIPTION: "VMDESCRIPTION",
    CONFIGURATION: "CONFIGURATION",
    COMMAND: "COMMAND",
    SECTION_FOOTER: "FOOTER",
}
NAMED_SECTIONS: Final = frozenset({SECTION_START, SECTION_FULL})
"""Types whose header carries idstr, instance_id and version_id; PART and END only carry a section_id."""
RESUMED_SECTIONS: Final = frozenset({SECTION_PART, SECTION_END})
PAYLOAD_SECTIONS: Final = NAMED_SECTIONS | RESUMED_SECTIONS

FOOTER_SIZE: Final = 5
RESUMED_HEADER_SIZE: Final = 5
NAMED_HEADER_MIN: Final = 1 + 4 + 1 + 1 + 4 + 4
COMMAND_HEADER_SIZE: Final = 5

VARIABLE: Final = -1
"""The length of a command or message whose payload is not of one fixed size."""

# qemu: migration/savevm.c:enum qemu_vm_cmd
OPEN_RETURN_PATH: Final = 1
PING: Final = 2
POSTCOPY_ADVISE: Final = 3
POSTCOPY_LISTEN: Final = 4
POSTCOPY_RUN: Final = 5
POSTCOPY_RAM_DISCARD: Final = 6
PACKAGED: Final = 7
ENABLE_COLO: Final = 8
POSTCOPY_RESUME: Final = 9
RECV_BITMAP: Final = 10
SWITCHOVER_START: Final = 11


@dataclass(frozen=True, slots=True)
class Kind:
    """One command or return-path message: its name and the length of its payload (or VARIABLE)."""

    name: str
    length: int


# qemu: migration/savevm.c:mig_cmd_args
COMMANDS: Final[dict[int, Kind]] = {
    OPEN_RETURN_PATH: Kind("OPEN_RETURN_PATH", 0),
    PING: Kind("PING", 4),
    POSTCOPY_ADVISE: Kind("POSTCOPY_ADVISE", VARIABLE),
    POSTCOPY_LISTEN: Kind("POSTCOPY_LISTEN", 0),
    POSTCOPY_RUN: Kind("POSTCOPY_RUN", 0),
    POSTCOPY_RAM_DISCARD: Kind("POSTCOPY_RAM_DISCARD", VARIABLE),
    PACKAGED: Kind("PACKAGED", 4),
    ENABLE_COLO: Kind("ENABLE_COLO", 0),
    POSTCOPY_RESUME: Kind("POSTCOPY_RESUME", 0),
    RECV_BITMAP: Kind("RECV_BITMAP", VARIABLE),
    SWITCHOVER_START: Kind("SWITCHOVER_START", 0),
}

# qemu: migration/migration.c:enum mig_rp_message_type
RP_SHUT: Final = 1
RP_PONG: Final = 2
RP_REQ_PAGES_ID: Final = 3
RP_REQ_PAGES: Final = 4
RP_RECV_BITMAP: Final = 5
RP_RESUME_ACK: Final = 6
RP_SWITCHOVER_ACK: Final = 7

# qemu: migration/migration.c:rp_cmd_args
RETURN_PATH_MESSAGES: Final[dict[int, Kind]] = {
    RP_SHUT: Kind("SHUT", 4),
    RP_PONG: Kind("PONG", 4),
    RP_REQ_PAGES_ID: Kind("REQ_PAGES_ID", VARIABLE),
    RP_REQ_PAGES: Kind("REQ_PAGES", 12),
    RP_RECV_BITMAP: Kind("RECV_BITMAP", VARIABLE),
    RP_RESUME_ACK: Kind("RESUME_ACK", 4),
    RP_SWITCHOVER_ACK: Kind("SWITCHOVER_ACK", 0),
}

RECV_BITMAP_ENDING: Final = 0x0123456789ABCDEF
"""qemu: migration/ram.c:RAMBLOCK_RECV_BITMAP_ENDING"""

OTHER_MAGICS: Final[dict[bytes, str]] = {
    b"\x11\x22\x33\x44": "a multifd channel, not a main channel",
    b"QCPR": "a CPR state channel, not a main channel",
    b"Libv": "a libvirt save image around the stream, not the stream itself",
    b"\xfd7zX": "an .xz file around the stream, not the stream itself",
    b"\x1f\x8b\x08\x00": "a .gz file around the stream, not the stream itself",
    b"\x1f\x8b\x08\x08": "a .gz file around the stream, not the stream itself",
    b"\x28\xb5\x2f\xfd": "a .zst file around the stream, not the stream itself",
}
"""What else may stand where the file magic is expected, by its first four bytes."""

VERSION_ID_PLAUSIBLE: Final = 0x0FFFFFFF
"""Only used to tell a section header from random bytes. Some version_ids are dates, such as 20061112
(qemu: hw/nvram/eeprom93xx.c:EEPROM_VERSION)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reader accepts before it refuses; every size that comes from the wire is held against one."""

    payload: int = 256 << 20
    """Bytes of one payload (or part of one) kept while waiting for its end: the only large buffer."""
    package: int = 1 << 30
    """Bytes of a PACKAGED command. QEMU allows 16 MiB (5.2) to 4 GiB (qemu: MAX_VM_CMD_PACKAGED_SIZE)."""
    vmdescription: int = 64 << 20
    """Bytes of the JSON; a real one is below 1 MiB."""
    machine_name: int = 4096
    """Bytes of the machine type name, whose length field is 32 bits wide."""
    capabilities: int = 256
    """Entries of configuration/capabilities; QEMU has some twenty-five, and validates four."""
    live_sections: int = 4096
    """START sections remembered for their PART and END; QEMU has a handful of iterable handlers."""
    bitmap: int = 1 << 30
    """Bytes of a RECV_BITMAP on the return path: 1 bit per page, so 32 TiB of guest memory."""


DEFAULT_LIMITS: Final = Limits()
TRAILING_CHUNK: Final = 1 << 20
"""Bytes after the stream are reported in pieces of this size, however they arrive."""
