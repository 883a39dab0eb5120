"""The main channel of a migration, from bytes to events, without any IO.

Knows how to read what may stand in each state of ``states.TRANSITIONS``. Must not know what a payload
holds: decoders are handed in and are asked with the bytes at hand. Theory of operation:

* ``feed`` only stores bytes. ``next_event`` runs the step of the current state, from the first unread byte.
* A step that runs out of bytes raises ``Short`` with the least number that would help, and the reader does
  not look at the bytes again before they are there: feeding byte by byte costs little more than whole.
* Where that number is not known (an undescribed payload, a decoder that cannot tell), the search for the
  section's footer goes on where it stopped, and a decoder is asked again when the bytes have doubled.
* Errors are final: the reader has not moved, and ``next_event`` raises the same error again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.stream import framing, headers, holes
from vnetmig.stream.commands import Packaged
from vnetmig.stream.cursor import Buffer, Cursor, Short
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
from vnetmig.stream.framing import DEFAULT_LIMITS, Limits
from vnetmig.stream.holes import Holes
from vnetmig.stream.payload import Decoder, DecoderFor, SectionHeader
from vnetmig.stream.receiver import NEED_DATA, NeedData, Receiver
from vnetmig.stream.row import SectionRow, read_row
from vnetmig.stream.section import Footers, OpenSection, Surface
from vnetmig.stream.states import TRANSITIONS, Outcome, State, Turn
from vnetmig.stream.window import let_go

Lengths = Mapping[tuple[str, int], Sequence[int]]
"""Payload sizes per (idstr, instance_id) in stream order (``vmdescription.Description.lengths``)."""

__all__ = ["NEED_DATA", "Lengths", "NeedData", "StreamReader", "read_events"]

_Step = tuple["Event | None", Outcome]


class StreamReader(Receiver[Event]):
    """``feed`` bytes, ``close`` when no more will come, and take events from ``next_event``.

    ``decoder_for`` chooses the decoder of a section when its header has been read, after all earlier events
    were handed out. ``lengths`` gives the payload sizes of FULL sections that nothing decodes. ``empty``: where the
    bytes are known to be zero.
    """

    def __init__(
        self,
        decoder_for: DecoderFor,
        lengths: Lengths | None = None,
        limits: Limits = DEFAULT_LIMITS,
        *,
        empty: Holes = holes.NONE,
    ) -> None:
        self._empty = empty
        self._decoder_for = decoder_for
        self._lengths = lengths or {}
        self._limits = limits
        super().__init__()
        self._state = State.HEADER
        self._footers = Footers()
        self._live: dict[int, tuple[SectionHeader, Decoder | None]] = {}
        self._full_seen: dict[tuple[str, int], int] = {}
        self._package_end: int | None = None
        self._section: OpenSection | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def footers(self) -> bool | None:
        """Whether sections have footers; None before the end of the first one has shown it."""
        return self._footers.on if self._footers.sure else None

    def next_event(self) -> Event | NeedData | None:
        """The next event; NEED_DATA: feed more, or close; None: the stream is read to its end."""
        if self._window.arrived < self._need:  # asked again after every byte: this must cost next to nothing
            return NEED_DATA
        return self._next()

    def next_row(self) -> SectionRow | None:
        """The sections from here on that nothing decodes and whose length is known, in one go, instead of the events
        that ``next_event`` would give one by one: for those who have the whole stream at hand. None: there are none
        here. No such section may be a reason to choose another decoder for a later one."""
        if self._state is not State.SECTION or self.footers is not True or self._package_end is not None:
            return None
        data = self._window.view(self._window.arrived)
        row = read_row(data, self.offset, self._is_plain, self._lengths, self._full_seen, self._limits.payload)
        let_go(data)
        self._window.skip(row.size)
        return row if row.places else None

    def _is_plain(self, header: SectionHeader) -> bool:
        try:
            return self._decoder_for(header) is None
        except StreamError:
            return False  # the step for a single section raises it again, with all before it handed out

    def _done(self) -> bool:
        return self._state is State.DONE

    def _where(self) -> str | None:
        return self._section.header.idstr if self._section is not None else None

    def _reach(self) -> tuple[int, bool]:
        arrived = self._window.arrived
        if self._package_end is not None and arrived >= self._package_end:
            return self._package_end, True
        return arrived, self._closed

    def _step(self, data: memoryview, final: bool) -> tuple[int, Event | None]:
        try:
            event, outcome = _STEPS[self._state](self, data, final)
        except Short as short:
            raise self._within_package(short) from None
        self._state = TRANSITIONS[self._state, outcome]
        return (0 if event is None else event.size), event

    def _within_package(self, short: Short) -> Short:
        """Bytes behind a package are no help to what stands in it."""
        if self._package_end is None:
            return short
        total = short.total
        left = self._package_end - self.offset
        if self._window.arrived < self._package_end:
            total = min(total, left)
        return Short(total, f"{short.what} in a package that ends at {self._package_end:#x}")

    # One step per state: from the bytes at hand (``final``: there will be no more) to what was read.

    def _read_header(self, data: memoryview, final: bool) -> _Step:
        return headers.read_file_header(Cursor(data), final), FileHeader

    def _read_configuration(self, data: memoryview, final: bool) -> _Step:
        cursor = Cursor(data, self.offset)
        if cursor.peek("the first section") != framing.CONFIGURATION:
            return None, Turn.ABSENT
        event = headers.read_configuration_section(cursor, self._limits, final)
        # One machine type switched both properties on (qemu: hw/core/machine.c:hw_compat_2_3).
        self._footers.on = True
        return event, Configuration

    def _read_section(self, data: memoryview, final: bool) -> _Step:
        cursor = Cursor(data, self.offset)
        if self.offset == self._package_end:
            return None, Turn.PACKAGE_FULL
        kind = cursor.peek("the sequence of sections (there was no EOF byte)")
        if kind in framing.PAYLOAD_SECTIONS:
            return self._begin(cursor), SectionStart
        if kind == framing.COMMAND:
            return self._obey(headers.read_command(cursor, self._limits))
        if kind == framing.EOF:
            return Eof(self.offset), Eof if self._package_end is None else Turn.LEAVE
        raise headers.unknown_section_type(cursor, kind)

    def _begin(self, cursor: Cursor) -> SectionStart:
        start = cursor.offset
        kind, section_id = headers.read_section_id(cursor)
        if kind in framing.RESUMED_SECTIONS:
            known = self._live.get(section_id)
            if known is None:
                raise cursor.fault(
                    f"Unknown savevm section {section_id}",
                    offset=start + 1,
                    expected="the section_id of an earlier START",
                    got=section_id,
                )
            header, decoder = replace(known[0], type=kind), known[1]
        else:
            header = headers.read_section_name(cursor, kind, section_id)
            decoder = self._decoder_for(header)
            if kind == framing.SECTION_START:
                self._remember(header, decoder, start)
        self._section = OpenSection(header, decoder, self._known_length(header), self._limits.payload)
        return SectionStart(header, start, cursor.position)

    def _known_length(self, header: SectionHeader) -> int | None:
        if header.type != framing.SECTION_FULL:
            return None
        key = (header.idstr, header.instance_id)
        lengths = self._lengths.get(key)
        if lengths is None:
            return None
        occurrence = self._full_seen.get(key, 0)
        self._full_seen[key] = occurrence + 1
        return lengths[occurrence] if occurrence < len(lengths) else None

    def _remember(self, header: SectionHeader, decoder: Decoder | None, offset: int) -> None:
        limit = self._limits.live_sections
        if len(self._live) >= limit and header.section_id not in self._live:
            raise headers.too_large("Too many START sections", offset, limit, len(self._live) + 1, header.idstr)
        self._live[header.section_id] = (header, decoder)

    def _obey(self, command: Command) -> _Step:
        behind = command.offset + command.size
        if isinstance(command.payload, Packaged):
            if self._package_end is not None:
                raise StreamError("A package inside a package", offset=command.offset, got="CMD_PACKAGED")
            self._package_end = behind + command.payload.length
        elif command.number == framing.POSTCOPY_RUN and self._package_end is not None:
            return command, Turn.LEAVE
        return command, Command

    def _read_payload(self, data: memoryview, final: bool) -> _Step:
        assert self._section is not None
        event = self._section.payload(self._surface(data, final), self._footers)
        return event, SectionPayload if event.last else Turn.MORE

    def _read_footer(self, data: memoryview, final: bool) -> _Step:
        assert self._section is not None
        event = self._section.footer(self._surface(data, final), self._footers)
        self._section = None
        return event, SectionFooter if event is not None else Turn.ABSENT

    def _surface(self, data: memoryview, final: bool) -> Surface:
        return Surface(data, final, final and self._package_end is not None, self._window, self._live)

    def _read_package_rest(self, data: memoryview, final: bool) -> _Step:
        assert self._package_end is not None
        left = self._package_end - self.offset
        if left == 0:
            return None, Turn.PACKAGE_FULL
        return self._chunk(data, left), Trailing

    def _read_package_end(self, data: memoryview, final: bool) -> _Step:
        self._package_end = None
        return PackageEnd(self.offset), PackageEnd

    def _read_vmdescription(self, data: memoryview, final: bool) -> _Step:
        cursor = Cursor(data, self.offset)
        if (final and not data) or cursor.peek("the vmdescription") != framing.VMDESCRIPTION:
            return None, Turn.ABSENT
        return headers.read_vmdescription(cursor, self._limits), VmDescription

    def _read_trailing(self, data: memoryview, final: bool) -> _Step:
        if final and not data:
            return None, Turn.END
        return self._chunk(data, len(data) if final else framing.TRAILING_CHUNK), Trailing

    def _chunk(self, data: memoryview, left: int) -> Trailing:
        """The next piece of ``left`` bytes that nothing reads, always cut at the same places."""
        size = min(left, framing.TRAILING_CHUNK)
        if len(data) < size:
            raise Short(size, "bytes behind the end")
        piece = _ZEROS[:size] if self._empty.cover(self.offset, self.offset + size) else bytes(data[:size])
        return Trailing(_ZEROS if piece == _ZEROS else piece, self.offset, size)


_ZEROS: Final = bytes(framing.TRAILING_CHUNK)
"""What a file that was made too long for its stream has behind it, often as holes: kept once, however much of it."""

# Functions, not methods of one reader: a reader that held itself would outlive its use.
_STEPS: dict[State, Callable[[StreamReader, memoryview, bool], _Step]] = {
    State.HEADER: StreamReader._read_header,
    State.CONFIGURATION: StreamReader._read_configuration,
    State.SECTION: StreamReader._read_section,
    State.PAYLOAD: StreamReader._read_payload,
    State.FOOTER: StreamReader._read_footer,
    State.PACKAGE_REST: StreamReader._read_package_rest,
    State.PACKAGE_END: StreamReader._read_package_end,
    State.AFTER_EOF: StreamReader._read_vmdescription,
    State.TRAILING: StreamReader._read_trailing,
}


def read_events(
    chunks: Iterable[Buffer],
    decoder_for: DecoderFor,
    lengths: Lengths | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Event]:
    """All events of a stream that comes in ``chunks``."""
    reader = StreamReader(decoder_for, lengths, limits)
    for chunk in chunks:
        reader.feed(chunk)
        while not isinstance(event := reader.next_event(), NeedData):
            if event is None:
                return
            yield event
    reader.close()
    while (event := reader.next_event()) is not None:
        assert not isinstance(event, NeedData)
        yield event
