"""Messages put together: the first is the cause, those that only pass it on are its chain.

Knows the order in which QEMU and libvirt print; knows no value's meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vnetmig.analysis.catalogue.reading import Finder, Reading
from vnetmig.analysis.catalogue.wording import MANAGEMENT
from vnetmig.analysis.explain.log import LogLine, continues

END = "migration-failed"
DEVICE = "device-failed"
JOB = "job-failed"

REACH = 200
"""Lines behind its first within which a chain ends."""

MAIL_MOST = 5000
"""Lines of a text that somebody may have wrapped: a longer one is a log from a file."""

_TERMINAL = 76
"""A line that was cut inside of a word was cut by a terminal, which is at least so wide."""

_WRAPPED_MOST = 3
"""Lines that a wrapped message goes on for behind its first."""


@dataclass(slots=True)
class Failure:
    """One failure while its lines come in."""

    head: Reading
    line: LogLine
    rest: list[tuple[Reading, LogLine]] = field(default_factory=list)
    ended: int | None = None  #: the line number of its end

    @property
    def readings(self) -> list[Reading]:
        return [self.head, *(reading for reading, _ in self.rest)]

    def value(self, message: str, name: str) -> str | None:
        """Of the first message called so in the chain."""
        for reading in self.readings:
            if reading.message.id == message and name in reading.values:
                return str(reading.values[name])
        return None

    @property
    def text(self) -> str:
        start, end = self.head.span
        return self.line.text[start:end].strip()

    @property
    def chain(self) -> tuple[str, ...]:
        """The texts of what follows, line by line, each once."""
        spans: dict[LogLine, tuple[int, int]] = {}
        for reading, line in self.rest:
            start, end = spans.get(line, reading.span)
            spans[line] = (min(start, reading.span[0]), max(end, reading.span[1]))
        return tuple(dict.fromkeys(line.text[start:end].strip() for line, (start, end) in spans.items()))

    def takes(self, reading: Reading, line: LogLine) -> bool:
        """Does ``reading`` belong to this failure?"""
        if line.number - self.line.number > REACH:
            return False
        if reading.message.follows:
            return self.ended is None or line.number == self.ended or reading.message.side == MANAGEMENT
        # A cause joins what only announced it.
        return self.head.message.follows and self.head.message.side == MANAGEMENT and self.ended is None

    @property
    def since_10_2(self) -> bool:
        """Does a wording give away QEMU 10.2 or later?"""
        return any(reading.wording.since == "10.2" for reading in self.readings)

    def settle(self) -> Failure:
        """Where only the end was said, what stands behind it (since 10.2: on the same line) says more."""
        if self.head.message.id in (END, JOB) and self.rest:
            end = (self.head, self.line)
            self.head, self.line = self.rest.pop()
            self.rest.insert(0, end)
        return self

    def take(self, reading: Reading, line: LogLine) -> None:
        if not reading.message.follows and self.head.message.follows:
            self.rest.insert(0, (self.head, self.line))
            self.head, self.line = reading, line
        else:
            self.rest.append((reading, line))
        if reading.message.id == END:
            self.ended = line.number


def failures(found: Iterable[tuple[Reading, LogLine]]) -> Iterator[Failure]:
    """The failures that the messages of a log, in its order, are made of."""
    current: Failure | None = None
    for reading, line in found:
        if current is not None and current.takes(reading, line):
            current.take(reading, line)
            continue
        if current is not None:
            yield current.settle()
        current = Failure(reading, line, ended=line.number if reading.message.id == END else None)
    if current is not None:
        yield current.settle()


def readings(finder: Finder, lines: Sequence[LogLine]) -> Iterator[tuple[list[Reading], LogLine]]:
    """Each line with what stands in it, causes first; what a mail program wrapped is read across the lines."""
    used: dict[int, int] = {}  # place of a line -> characters at its beginning that belong to the lines before
    for place, line in enumerate(lines):
        behind = used.pop(place, 0)
        found = [r for r in finder.find(line.text) if behind <= r.span[0] < line.end]
        if len(lines) <= MAIL_MOST and place + 1 < len(lines) and continues(line, lines[place + 1]):
            whole = _joined(finder, lines, place)
            if whole is not None:
                crossing, text, rest = whole
                used.update(rest)
                found = [r for r in found if r.span[1] <= crossing.span[0]] + [crossing]
                line = LogLine(line.number, text, len(text))
        yield sorted(found, key=lambda reading: reading.message.follows), line


def _joined(finder: Finder, lines: Sequence[LogLine], place: int) -> tuple[Reading, str, dict[int, int]] | None:
    """The message that begins in the line at ``place`` and goes on in the next one or two; the text it stands in; and
    how much of the lines behind is used up."""
    best = None
    for between in (" ", ""):
        text = lines[place].text.rstrip()
        border = len(text)
        if not between and border < _TERMINAL:
            break
        starts: dict[int, int] = {}
        for behind in range(place + 1, min(place + 1 + _WRAPPED_MOST, len(lines))):
            if not continues(lines[behind - 1], lines[behind]) or _begins(finder, lines[behind].text):
                break
            piece = lines[behind].text
            starts[behind] = len(text) + len(between) - (len(piece) - len(piece.lstrip()))
            text += between + piece.strip()
            for reading in finder.find(text):
                start, end = reading.span
                if start < border and end > border + len(between) and (best is None or end - start > _length(best[0])):
                    used = {at: end - begin for at, begin in starts.items() if end > begin}
                    best = (reading, text, used)
    return best


def _begins(finder: Finder, text: str) -> bool:
    """Is there a message right at the beginning?"""
    indent = len(text) - len(text.lstrip())
    return any(reading.span[0] == indent for reading in finder.find(text))


def _length(reading: Reading) -> int:
    return reading.span[1] - reading.span[0]
