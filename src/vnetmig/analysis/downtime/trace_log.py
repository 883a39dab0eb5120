"""Reading a log: trace events, whatever stands between them, as the sides of the migrations that it tells of.

Knows QEMU's log text as bytes from anywhere. A log of gigabytes goes through in one pass; what is kept is bounded, and
so is every line and number.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from vnetmig.analysis.downtime.side import NO_TIME, Entry, Role, Side
from vnetmig.analysis.downtime.timestamp import written_at
from vnetmig.errors import StreamError
from vnetmig.migration.trace import DESTINATION_CHECKPOINTS, SOURCE_CHECKPOINTS, TraceLine, line_at

EVENTS_MAX = 1 << 22
NAMES_MAX = 1 << 14
"""Different sections in one log: a machine has a hundred."""

SIDES_MAX = 1 << 16
"""Sides of migrations in one log: a process has one as destination, and one for each attempt as source."""

TOOK_MAX = 10**14
"""Microseconds, three years: the sums of all sections of both sides stay within 64 bits. What is longer is no time."""

CHECKPOINTS_MAX = 64
"""Of one side: QEMU has ten."""

_MARK = b"vmstate_downtime_"
_CHUNK = 1 << 20
_FRONT, _EVENT = 256, 1024
"""Bytes of a line that are looked at: in front of an event, and of it. An idstr has at most 255."""

_ROLES = {"vmstate_downtime_save": Role.SOURCE, "vmstate_downtime_load": Role.DESTINATION}
_PREFIXES = {"src-": Role.SOURCE, "dst-": Role.DESTINATION}


@dataclass(frozen=True)
class Log:
    """``sides`` in the order in which they begin; ``skipped`` places that look like an event and are none, such as a
    line that was cut."""

    name: str
    sides: tuple[Side, ...]
    skipped: int

    def of(self, role: Role) -> list[Side]:
        return [side for side in self.sides if side.role is role and side.complete]


def read_log(file: IO[bytes], name: str = "log") -> Log:
    """
    A log without any events has no sides. StreamError when it holds more than EVENTS_MAX events, NAMES_MAX names or
    SIDES_MAX sides.

    >>> from io import BytesIO
    >>> text = b"7@1.000009:vmstate_downtime_load type=non-iterable idstr=cpu instance_id=0 downtime=9\\n"
    >>> (side,) = read_log(BytesIO(text)).sides
    >>> side.role.name, [entry.name for entry in side.entries], list(side.took), list(side.when)
    ('DESTINATION', ['cpu'], [9], [1000009])
    """
    reading = _Reading(name)
    for offset, when, line in _events(file):
        if line is None:
            reading.skipped += 1
        else:
            reading.take(offset, when, line)
    return reading.finish()


def _events(file: IO[bytes]) -> Iterator[tuple[int, int | None, TraceLine | None]]:
    """(offset, when, event), None for what is no whole event."""
    buffer, base, place, ended = b"", 0, 0, False
    while not ended:
        chunk = file.read(_CHUNK)
        ended = not chunk
        buffer += chunk
        # the last event that begins below it is whole, or never will be
        limit = len(buffer) if ended else len(buffer) - _EVENT
        while 0 <= (found := buffer.find(_MARK, place)) < limit:
            yield base + found, *_event(buffer, found)
            place = found + len(_MARK)
        cut = max(0, limit - _FRONT)
        place = max(place, limit) - cut
        buffer, base = buffer[cut:], base + cut


def _event(buffer: bytes, place: int) -> tuple[int | None, TraceLine | None]:
    # The end of the log or of the window is no end of a line: a number may have been cut there.
    text = buffer[place : place + _EVENT] + b"\0"
    line = line_at(text.decode("utf-8", "surrogateescape"))
    if line is not None and line.event in _ROLES and abs(int(line["downtime"])) > TOOK_MAX:
        line = None
    front = buffer[max(0, place - _FRONT) : place].rpartition(b"\n")[2]
    return (written_at(front.decode("utf-8", "replace")) if front else None), line


@dataclass
class _Begun:
    """A side that is being read."""

    entries: dict[Entry, None] = field(default_factory=dict)
    took: array[int] = field(default_factory=lambda: array("q"))
    when: array[int] = field(default_factory=lambda: array("q"))
    checkpoints: dict[str, int | None] = field(default_factory=dict)


class _Reading:
    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped = 0
        self._count = 0
        self._entries: dict[Entry, Entry] = {}
        self._orders: dict[tuple[Entry, ...], tuple[Entry, ...]] = {}
        self._begun: dict[Role, _Begun] = {}
        self._sides: list[Side] = []

    def take(self, offset: int, when: int | None, line: TraceLine) -> None:
        self._count += 1
        if self._count > EVENTS_MAX:
            raise self._too_much(offset, f"at most {EVENTS_MAX} downtime events", "more")
        role = _ROLES.get(line.event)
        if role is None:
            self._checkpoint(str(line["checkpoint"]), when)
        else:
            self._section(role, offset, when, line)
        if len(self._sides) > SIDES_MAX:
            raise self._too_much(offset, f"at most {SIDES_MAX} migrations", "more")

    def finish(self) -> Log:
        for role in list(self._begun):
            self._end(role)
        return Log(self.name, tuple(self._sides), self.skipped)

    def _section(self, role: Role, offset: int, when: int | None, line: TraceLine) -> None:
        entry = Entry(str(line["idstr"]), int(line["instance_id"]), str(line["type"]))
        known = self._entries.setdefault(entry, entry)
        if len(self._entries) > NAMES_MAX:
            raise self._too_much(offset, f"at most {NAMES_MAX} different sections", "more")
        side = self._begun.setdefault(role, _Begun())
        # the same section again, or a section behind the end, is the next migration's
        if known in side.entries or DESTINATION_CHECKPOINTS[0] in side.checkpoints:
            self._end(role)
            side = self._begun[role] = _Begun()
        side.entries[known] = None
        side.took.append(int(line["downtime"]))
        side.when.append(NO_TIME if when is None else when)

    def _checkpoint(self, name: str, when: int | None) -> None:
        role = _PREFIXES.get(name[:4])
        if role is None:
            return
        if name == SOURCE_CHECKPOINTS[0] and role in self._begun:
            self._end(role)
        side = self._begun.setdefault(role, _Begun())
        # qemu: up to 9.1 src-downtime-end comes again when a migration is cleaned up; the first one counts
        if len(side.checkpoints) < CHECKPOINTS_MAX:
            side.checkpoints.setdefault(name, when)

    def _end(self, role: Role) -> None:
        begun = self._begun.pop(role)
        order = tuple(begun.entries)
        order = self._orders.setdefault(order, order)
        self._sides.append(Side(role, order, begun.took, begun.when, begun.checkpoints))

    def _too_much(self, offset: int, expected: str, got: str) -> StreamError:
        return StreamError(
            f"{self.name}: no trace log of migrations",
            offset=offset,
            expected=expected,
            got=got,
            hint="split the log",
            code="too-large",
        )
