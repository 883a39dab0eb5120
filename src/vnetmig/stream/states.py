"""The order of a migration stream, as a table.

Knows which thing may follow which, for reading and for writing. Must not know bytes.

Rule 1: in a state, the one event of that state is read, or the step says ``Turn.ABSENT`` and the state of
the table follows without a byte. Rule 2: what is in no row cannot come. A package (CMD_PACKAGED) holds
sections itself, so its end is a state, not a second machine.
"""

from __future__ import annotations

import enum
from typing import Final

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


class State(enum.Enum):
    HEADER = "file header"
    CONFIGURATION = "configuration, if 0x07"
    SECTION = "a section, a command or the end"
    PAYLOAD = "payload of a section"
    FOOTER = "footer of a section, if there are footers"
    PACKAGE_REST = "bytes of a package behind POSTCOPY_RUN or EOF"
    PACKAGE_END = "end of a package"
    AFTER_EOF = "vmdescription, if 0x06"
    TRAILING = "bytes behind the end"
    DONE = "nothing"

    __hash__ = object.__hash__  # Enum's own is a Python function, and the reader asks at every step


class Turn(enum.Enum):
    """What a step may find besides the one event of its state."""

    ABSENT = "nothing is on the wire"
    MORE = "a part of a payload, more follow"
    LEAVE = "a loader leaves the package here"
    PACKAGE_FULL = "the bytes of the package are used up"
    END = "the input ends"

    __hash__ = object.__hash__


Outcome = type[Event] | Turn

TRANSITIONS: Final[dict[tuple[State, Outcome], State]] = {
    (State.HEADER, FileHeader): State.CONFIGURATION,
    (State.CONFIGURATION, Configuration): State.SECTION,
    (State.CONFIGURATION, Turn.ABSENT): State.SECTION,
    (State.SECTION, SectionStart): State.PAYLOAD,
    (State.PAYLOAD, Turn.MORE): State.PAYLOAD,
    (State.PAYLOAD, SectionPayload): State.FOOTER,
    (State.FOOTER, SectionFooter): State.SECTION,
    (State.FOOTER, Turn.ABSENT): State.SECTION,
    (State.SECTION, Command): State.SECTION,
    (State.SECTION, Turn.LEAVE): State.PACKAGE_REST,
    (State.SECTION, Turn.PACKAGE_FULL): State.PACKAGE_END,
    (State.PACKAGE_REST, Trailing): State.PACKAGE_REST,
    (State.PACKAGE_REST, Turn.PACKAGE_FULL): State.PACKAGE_END,
    (State.PACKAGE_END, PackageEnd): State.SECTION,
    (State.SECTION, Eof): State.AFTER_EOF,
    (State.AFTER_EOF, VmDescription): State.TRAILING,
    (State.AFTER_EOF, Turn.ABSENT): State.TRAILING,
    (State.TRAILING, Trailing): State.TRAILING,
    (State.TRAILING, Turn.END): State.DONE,
}
