"""One open section: its payload, up to where it ends, and its footer.

Knows how to find the end of a payload (a decoder says, a vmdescription says, or a footer that fits) and when
it is worth looking again. Must not know what comes between sections.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.cursor import Cursor, Short, show
from vnetmig.stream.ending import Ending, Surroundings, footer_mark, matches
from vnetmig.stream.events import SectionFooter, SectionPayload
from vnetmig.stream.headers import too_large
from vnetmig.stream.payload import Decoder, Raw, SectionHeader
from vnetmig.stream.window import Window

FALSE_FOOTERS_MAX: Final = 16
"""How often a footer in view makes a decoder look again, in vain, before it has to wait for twice the bytes:
a payload made of footers must not cost a decode per footer."""


ATTEMPTS_MAX: Final = 256
"""How often a decoder may say how many bytes it wants next: a payload of many small parts must not be decoded anew
for each. After that it has to wait for its footer or for twice the bytes."""


@dataclass(slots=True)
class Footers:
    """Whether sections have footers: ``on`` is a guess until the end of a payload has made it ``sure``."""

    on: bool = False
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Surface:
    """The bytes at hand and what is known around them, for one step."""

    data: memoryview
    """The unread bytes, up to the end of the package if there is one."""
    final: bool
    """No byte will follow them."""
    package: bool
    """They end with a package."""
    window: Window
    live: Container[int]
    """Section ids that a PART or END may name."""

    @property
    def offset(self) -> int:
        return self.window.offset

    def around(self) -> Surroundings:
        return Surroundings(self.final, self.live, self.package)

    def find(self, mark: bytes, start: int, end: int) -> int:
        return self.window.find(mark, start, self.window.offset + end)


class OpenSection:
    """Positions are relative to the next unread byte."""

    __slots__ = (
        "_ask_at",
        "_attempts",
        "_blind",
        "_decoder",
        "_false_footers",
        "_length",
        "_limit",
        "_mark",
        "_rejected",
        "_searched",
        "header",
    )

    def __init__(self, header: SectionHeader, decoder: Decoder | None, length: int | None, limit: int) -> None:
        self.header = header
        self._decoder = decoder
        self._length = length
        self._limit = limit
        self._mark = footer_mark(header.section_id)
        self._searched = 0
        """No footer that is worth a look starts before this position."""
        self._ask_at = 0
        """Bytes at which the decoder is asked again."""
        self._blind = False
        """The decoder could not say how many bytes it wants; a footer in view may be its end."""
        self._false_footers = 0
        self._attempts = 0
        self._rejected: int | None = None
        """The first footer of an undescribed payload behind which the stream cannot go on."""

    def payload(self, surface: Surface, footers: Footers) -> SectionPayload:
        if self._decoder is not None:
            return self._decoded(self._decoder, surface, footers)
        if self._length is not None:
            return self._measured(self._length, surface, footers)
        # Without a configuration section footers are not expected, yet they may be there (xen-save-devices-state).
        if (footers.on or not footers.sure) and self.header.idstr != "ram":
            return self._assumed(surface)
        raise StreamError(
            f"Unknown savevm section or instance '{self.header.idstr}' {self.header.instance_id}",
            offset=surface.offset,
            section=self.header.idstr,
            expected="a decoder, a vmdescription or section footers",
            got="none that gives the length of this payload",
            hint="sections carry no length; RAM may contain any bytes, so it is never searched for a footer",
        )

    # A decoder says where the payload ends.

    def _decoded(self, decoder: Decoder, surface: Surface, footers: Footers) -> SectionPayload:
        idstr = self.header.idstr
        have = len(surface.data)
        if have < self._ask_at and not surface.final:
            self._look_for_footer(surface, have)
        ends = Ending(
            surface.data,
            surface.around(),
            self.header.section_id,
            footers=footers.on,
            sure=footers.sure,
            length=self._length,
        )
        try:
            decoded = decoder.decode(
                surface.data, ends, kind=self.header.type, offset=surface.offset, final=surface.final
            )
        except StreamError as error:
            raise error.at(surface.offset, idstr) from None
        if decoded is None:
            raise self._ask_later(decoder.wanted, have, footers, surface.offset)
        if not 0 <= decoded.size <= have or (decoded.size == 0 and not decoded.last):
            message = f"The decoder of {idstr} took {decoded.size} of {have} bytes"
            raise StreamError(message, offset=surface.offset, section=idstr)
        self._searched = self._ask_at = self._false_footers = self._attempts = 0
        if self._length is not None:
            self._length -= decoded.size
        return SectionPayload(decoded.payload, surface.offset, decoded.size, decoded.last)

    def _look_for_footer(self, surface: Surface, have: int) -> None:
        """Returns if the decoder should look again although it may not be time yet."""
        if not self._blind or self._false_footers >= FALSE_FOOTERS_MAX:
            raise Short(self._ask_at, "a payload")
        if surface.find(self._mark, self._searched, have) < 0:
            self._searched = max(self._searched, have - len(self._mark) + 1)
            raise Short(self._next_look(surface, have), "a payload")
        self._false_footers += 1

    def _next_look(self, surface: Surface, have: int) -> int:
        """Bytes at which a footer can be in view that is not now: nothing before is worth a look."""
        mark = self._mark
        tail = bytes(surface.data[max(0, have - len(mark) + 1) : have])
        begun = next((n for n in range(len(tail), 0, -1) if mark.startswith(tail[-n:])), 0)
        return have + len(mark) - begun

    def _ask_later(self, wanted: int, have: int, footers: Footers, offset: int) -> Short:
        self._attempts += 1
        if self._attempts > ATTEMPTS_MAX:
            wanted = 0
        self._blind = wanted <= have and footers.on
        self._ask_at = wanted if wanted > have else max(2 * have, have + 1)
        self._searched = max(0, have - len(self._mark) + 1)
        if max(wanted, have) > self._limit:
            raise self._too_long(offset, max(wanted, have))
        return Short(have + 1 if self._blind else self._ask_at, "a payload")

    # A vmdescription says how long it is.

    def _measured(self, length: int, surface: Surface, footers: Footers) -> SectionPayload:
        """A footer has the last word: QEMU describes arrays that hold null pointers with wrong lengths
        (qemu: migration/vmstate.c:vmsd_desc_field_start)."""
        if footers.on and footers.sure:
            there = length <= self._limit and matches(surface.data, length, self._mark, surface.final)
            if there is None:
                raise Short(length + len(self._mark), "a payload")
            if not there:
                self._length = None
                return self._assumed(surface)
        if length > self._limit:
            raise self._too_long(surface.offset, length)
        if len(surface.data) < length:
            raise Short(length, "a payload")
        return SectionPayload(Raw(bytes(surface.data[:length])), surface.offset, length)

    # Nothing says it: the payload ends at the first own footer behind which the stream can go on. If there
    # is none, at the first own footer, so that what is wrong behind it is reported there.

    def _assumed(self, surface: Surface) -> SectionPayload:
        mark = self._mark
        around = surface.around()
        have = min(len(surface.data), self._limit + len(mark))
        while (found := surface.find(mark, self._searched, have)) >= 0:
            self._searched = found
            fits = around.plausible(surface.data, found + len(mark))
            if fits:
                return self._assume(surface, found)
            if fits is None:
                raise Short(len(surface.data) + 1, "a payload")
            if self._rejected is None:
                self._rejected = found
            self._searched += 1
        self._searched = max(self._searched, have - len(mark) + 1)
        all_seen = have == self._limit + len(mark)
        if not all_seen and not surface.final:
            raise Short(self._next_look(surface, have), "a payload")
        if self._rejected is not None:
            return self._assume(surface, self._rejected)
        if all_seen:
            raise self._too_long(surface.offset, have)
        raise self._missing(surface.offset + have, "the end of the input", "truncated")

    def _assume(self, surface: Surface, size: int) -> SectionPayload:
        return SectionPayload(Raw(bytes(surface.data[:size])), surface.offset, size, assumed=True)

    # The footer.

    def footer(self, surface: Surface, footers: Footers) -> SectionFooter | None:
        """The footer behind the payload; None: this stream has none. Decides ``footers`` the first time."""
        if footers.sure and not footers.on:
            return None
        cursor = Cursor(surface.data, surface.offset, self.header.idstr)
        first = cursor.peek("a section footer") if surface.data or not surface.final or footers.on else None
        if first != framing.SECTION_FOOTER:
            if not footers.sure and (not footers.on or self._goes_on(surface)):
                footers.on, footers.sure = False, True
                return None
            assert first is not None
            raise self._missing(surface.offset, f"0x{first:02x}", "malformed")
        found = cursor.take(len(self._mark), "a section footer")
        if found != self._mark:
            section_id = int.from_bytes(found[1:], "big")
            raise cursor.fault(
                f"Mismatched section id in footer for {self.header.idstr} - "
                f"read 0x{section_id:x} expected 0x{self.header.section_id:x}",
                offset=surface.offset + 1,
                expected=f"0x{self.header.section_id:x}",
                got=f"0x{section_id:x}",
            )
        footers.on = footers.sure = True
        return SectionFooter(self.header.section_id, surface.offset)

    def _goes_on(self, surface: Surface) -> bool:
        """Footers were expected; does the next section stand right behind the first payload instead?"""
        if surface.data[0] == framing.EOF:
            return False
        fits = surface.around().plausible(surface.data, 0)
        if fits is None:
            raise Short(len(surface.data) + 1, "a section footer")
        return fits

    def _missing(self, offset: int, got: str, code: str) -> StreamError:
        return StreamError(
            f"Missing section footer for {self.header.idstr}",
            offset=offset,
            section=self.header.idstr,
            expected=show(self._mark),
            got=got,
            hint="either the footer is damaged, or the payload before it has another length than it seemed",
            code=code,
        )

    def _too_long(self, offset: int, got: int) -> StreamError:
        idstr = self.header.idstr
        return too_large(f"Payload of {idstr} has no end within the limit", offset, self._limit, got, idstr)
