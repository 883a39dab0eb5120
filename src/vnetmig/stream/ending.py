"""Where a payload may end: the section's own footer, or, without footers, a plausible next section.

Knows what the bytes behind a payload can look like. Must not know payloads. Every answer is True, False,
or None when more bytes are needed to tell.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache

from vnetmig.stream import framing
from vnetmig.stream.cursor import is_name

MARKS_KEPT = 1024


@lru_cache(maxsize=MARKS_KEPT)
def footer_mark(section_id: int) -> bytes:
    """The footer of that section: what ends its payload."""
    return bytes((framing.SECTION_FOOTER,)) + section_id.to_bytes(4, "big")


def matches(data: memoryview, position: int, mark: bytes, final: bool) -> bool | None:
    """Does ``mark`` stand at ``position``?"""
    there = bytes(data[position : position + len(mark)])
    if there == mark:
        return True
    if len(there) < len(mark) and not final and mark.startswith(there):
        return None
    return False


class Surroundings:
    """What is known about the stream while one payload is read."""

    __slots__ = ("final", "live", "package")

    def __init__(self, final: bool, live: Container[int], package: bool) -> None:
        self.final = final
        """No byte will follow the ones at hand."""
        self.live = live
        """Section ids that a PART or END may name."""
        self.package = package
        """The bytes at hand end with a package, where no EOF is needed."""

    def plausible(self, data: memoryview, position: int) -> bool | None:
        """Can a section, a command or the end of the stream start at ``position``?"""
        have = len(data) - position
        if have <= 0:
            return (self.package and have == 0) if self.final else None
        kind = data[position]
        if kind in framing.NAMED_SECTIONS:
            return self._named(data, position, have)
        if kind in framing.RESUMED_SECTIONS:
            return self._resumed(data, position, have)
        if kind == framing.COMMAND:
            return self._command(data, position, have)
        if kind == framing.EOF:
            return self._eof(data, position, have)
        return False

    def _named(self, data: memoryview, position: int, have: int) -> bool | None:
        if have < 6:
            return self._short()
        length = data[position + 5]
        name = bytes(data[position + 6 : position + 6 + length])
        if length == 0 or not is_name(name):
            return False
        if have < framing.NAMED_HEADER_MIN - 1 + length:
            return self._short()
        version = position + 6 + length + 4
        return int.from_bytes(data[version : version + 4], "big") <= framing.VERSION_ID_PLAUSIBLE

    def _resumed(self, data: memoryview, position: int, have: int) -> bool | None:
        if have < framing.RESUMED_HEADER_SIZE:
            return self._short()
        return int.from_bytes(data[position + 1 : position + 5], "big") in self.live

    def _command(self, data: memoryview, position: int, have: int) -> bool | None:
        if have < framing.COMMAND_HEADER_SIZE:
            return self._short()
        command = framing.COMMANDS.get(int.from_bytes(data[position + 1 : position + 3], "big"))
        length = int.from_bytes(data[position + 3 : position + 5], "big")
        return command is not None and command.length in (framing.VARIABLE, length)

    def _eof(self, data: memoryview, position: int, have: int) -> bool | None:
        """The stream ends here, or goes on with a vmdescription, or with the hand-over's messages."""
        if have == 1:
            return True if self.final else None
        if data[position + 1] == framing.HANDOVER_MAGIC[0]:
            return matches(data, position + 1, framing.HANDOVER_MAGIC, self.final)
        if data[position + 1] != framing.VMDESCRIPTION:
            return False
        if have < 7:
            return self._short()
        return data[position + 6] == ord("{")

    def _short(self) -> bool | None:
        return False if self.final else None


class Ending:
    """The ``ends(position)`` that a decoder is given, valid for one call of ``decode``.

    ``footers``: the stream has them; ``sure`` is False while no footer has confirmed that. ``length`` is that
    of the payload, where a vmdescription gave it: without footers it decides.
    """

    __slots__ = ("_around", "_data", "_footers", "_length", "_mark", "_sure")

    def __init__(
        self,
        data: memoryview,
        around: Surroundings,
        section_id: int,
        *,
        footers: bool,
        sure: bool,
        length: int | None,
    ) -> None:
        self._data = data
        self._around = around
        self._mark = footer_mark(section_id)
        self._footers = footers
        self._sure = sure
        self._length = length

    def __call__(self, position: int) -> bool | None:
        if self._footers or not self._sure:
            footer = matches(self._data, position, self._mark, self._around.final)
            if self._footers or footer is not False:
                return footer
        if self._length is not None:
            return position == self._length
        return self._around.plausible(self._data, position)
