"""A stream, written thing by thing: bytes out, no IO.

Knows the order of ``states.TRANSITIONS`` and which section is open. Must not know how a thing is encoded:
that stands once, in the events. Every method returns the bytes to send; what cannot come here is an
EncodeError.
"""

from __future__ import annotations

from collections.abc import Iterable
from mmap import mmap

from vnetmig.errors import EncodeError
from vnetmig.stream import framing
from vnetmig.stream.commands import NOTHING, CommandPayload, Packaged
from vnetmig.stream.configuration import ConfigurationBody, Subsection
from vnetmig.stream.cursor import Buffer
from vnetmig.stream.events import (
    Command,
    Configuration,
    Eof,
    Event,
    FileHeader,
    SectionFooter,
    SectionPayload,
    SectionStart,
    VmDescription,
)
from vnetmig.stream.payload import Payload, Raw, SectionHeader
from vnetmig.stream.states import TRANSITIONS, Outcome, State, Turn
from vnetmig.stream.vmdescription import Description


class StreamWriter:
    """``footers`` as the machine type has it (qemu: migration.send-section-footer).

    >>> writer = StreamWriter()
    >>> stream = writer.header() + writer.configuration("pc-q35-7.2")
    >>> stream += writer.full(7, "timer", 0, 2) + writer.payload(bytes(24)) + writer.footer()
    >>> (stream + writer.eof())[-6:].hex()
    '7e0000000700'
    """

    def __init__(self, *, footers: bool = True) -> None:
        self.footers = footers
        self.written = 0
        """Bytes handed out so far."""
        self._state = State.HEADER
        self._started: dict[int, SectionHeader] = {}
        self._open: SectionHeader | None = None

    def header(self) -> bytes:
        return self._write(FileHeader())

    def configuration(self, machine_type: str, subsections: Iterable[Subsection] = ()) -> bytes:
        return self._write(Configuration(ConfigurationBody(machine_type, tuple(subsections))))

    def start(self, section_id: int, idstr: str, instance_id: int, version_id: int) -> bytes:
        header = SectionHeader(framing.SECTION_START, section_id, idstr, instance_id, version_id)
        written = self._begin(header)
        self._started[section_id] = header
        return written

    def part(self, section_id: int) -> bytes:
        return self._resume(framing.SECTION_PART, section_id)

    def end(self, section_id: int) -> bytes:
        return self._resume(framing.SECTION_END, section_id)

    def full(self, section_id: int, idstr: str, instance_id: int, version_id: int) -> bytes:
        return self._begin(SectionHeader(framing.SECTION_FULL, section_id, idstr, instance_id, version_id))

    def payload(self, payload: Payload | Buffer, *, last: bool = True) -> bytes:
        """The payload of the open section, or with ``last=False`` a part of it."""
        if isinstance(payload, bytes | bytearray | memoryview | mmap):
            payload = Raw(bytes(payload))
        return self._write(SectionPayload(payload, last=last), SectionPayload if last else Turn.MORE)

    def footer(self) -> bytes:
        """Behind the last payload of every section; empty on a stream without footers."""
        if self._open is None:
            raise EncodeError("footer(): no section is open")
        section_id, self._open = self._open.section_id, None
        if not self.footers:
            self._move(Turn.ABSENT)
            return b""
        return self._write(SectionFooter(section_id))

    def command(self, number: int, payload: CommandPayload = NOTHING) -> bytes:
        kind = framing.COMMANDS.get(number)
        if kind is None:
            raise EncodeError(f"command {number} does not exist")
        if isinstance(payload, Packaged):
            raise EncodeError("a package is written by package()")
        size = len(payload.encode())
        if kind.length not in (framing.VARIABLE, size):
            raise EncodeError(f"{kind.name} has {kind.length} bytes of payload, not {size}")
        return self._write(Command(number, payload))

    def package(self, content: bytes) -> bytes:
        """CMD_PACKAGED around sections and commands that this writer has written just before."""
        self.written -= len(content)
        command = self._write(Command(framing.PACKAGED, Packaged(len(content))))
        self.written += len(content)
        return command + content

    def eof(self) -> bytes:
        return self._write(Eof())

    def vmdescription(self, description: Description) -> bytes:
        return self._write(VmDescription(description))

    def _begin(self, header: SectionHeader) -> bytes:
        written = self._write(SectionStart(header))
        self._open = header
        return written

    def _resume(self, kind: int, section_id: int) -> bytes:
        known = self._started.get(section_id)
        if known is None:
            raise EncodeError(f"{framing.SECTION_TYPES[kind]} of section {section_id}, which has no START")
        header = SectionHeader(kind, section_id, known.idstr, known.instance_id, known.version_id)
        return self._begin(header)

    def _write(self, event: Event, outcome: Outcome | None = None) -> bytes:
        encoded = event.encode()
        self._move(outcome or type(event))
        self.written += len(encoded)
        return encoded

    def _move(self, outcome: Outcome) -> None:
        state = self._state
        if (state, outcome) not in TRANSITIONS and state is State.CONFIGURATION:
            state = TRANSITIONS[state, Turn.ABSENT]
        following = TRANSITIONS.get((state, outcome))
        if following is None:
            name = outcome.value if isinstance(outcome, Turn) else outcome.__name__
            raise EncodeError(f"{name} cannot be written here; next is: {state.value}")
        self._state = following
