"""Finding messages in a line, and the values in them.

Knows what a value may look like: every part of a pattern is bounded, so that no line can take more than time in
proportion to its length. Knows no message.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from vnetmig.analysis.catalogue.wording import Message, Wording
from vnetmig.analysis.release import Release

Value = int | str

MOST = 64
"""Messages that are taken out of one line."""

_BEFORE, _AFTER = 600, 2000
"""How far from a wording's longest text the rest of it may stand."""

#   format   what it prints
_NUMBERS = {
    "x": "[0-9a-f]{1,16}",
    "#x": "0x[0-9a-f]{1,16}",
    "#06x": "0x[0-9a-f]{4,16}",
    "#034x": "0x[0-9a-f]{32}",
    "d": "-?[0-9]{1,20}",
}

# Longest first: "Unknown error" numbers are the C library's for what it has no words for.
ERRORS = (
    "Inappropriate ioctl for device",
    "No such file or directory",
    "Numerical result out of range",
    "Value too large for defined data type",
    "Cannot send after transport endpoint shutdown",
    "Transport endpoint is not connected",
    "Software caused connection abort",
    "No such device or address",
    "Resource temporarily unavailable",
    "Device or resource busy",
    "Connection reset by peer",
    "Operation not permitted",
    "Operation not supported",
    "Cannot allocate memory",
    "Function not implemented",
    "No space left on device",
    "Connection timed out",
    "Connection refused",
    "Interrupted system call",
    "Input/output error",
    "Bad file descriptor",
    "Permission denied",
    "Invalid argument",
    "No data available",
    "No route to host",
    "Message too long",
    "No such process",
    "No such device",
    "Protocol error",
    "Argument list too long",
    "File exists",
    "Bad address",
    "Broken pipe",
    "Bad message",
    "Success",
)

_REST = r"(?=(?P<{name}>[^\n]{{1,500}}))"
"""Looks on, without taking: behind it may stand another message."""

#   value      what it may be
_VALUES = {
    "strerror": "(?:" + "|".join(map(re.escape, ERRORS)) + r"|[A-Z][^:\n'\"\\]{1,80})",
    "idstr": r"[^'\s]{1,255}",
    "vmsd": r"[^'\s:]{1,255}",
    "subsection": r"[^'\s]{1,255}",
    "field": r"[^'\s]{1,255}",
    "type": r"[\w ]{1,60}",
    "block": r"[^\"\s]{1,255}(?<!:)",
    "function": r"[\w:~<>]{1,120}",
    "condition": r"[^\n]{1,300}?",
    "tap": r"[^\s:()]{1,60}",
    "capability": r"[\w-]{1,60}",
    "local": r"[^'\s,]{1,255}",
    "stream": r"[^'\s,]{1,255}",
    "device": r"[^\s:]{1,120}",
    "name": r"[^\s:]{1,120}",
}
_INNER, _LAST = r"[^\n'\"]{1,120}?", r"[^\n'\"]{1,300}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A message that was recognised: in which wording, with which values, where in the line."""

    message: Message
    wording: Wording
    values: dict[str, Value]
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Pattern:
    literal: str  #: the longest text that stands in every such line
    expression: re.Pattern[str]
    bases: dict[str, int]  #: of the values that are numbers


@cache
def _pattern(text: str) -> _Pattern:
    parts: list[str] = []
    bases: dict[str, int] = {}
    pieces = list(string.Formatter().parse(text))
    for place, (literal, name, form, _) in enumerate(pieces):
        parts.append(re.escape(literal))
        if name is None:
            continue
        if form:
            bases[name] = 10 if form == "d" else 16
            parts.append(f"(?P<{name}>{_NUMBERS[form]})")
        elif name == "reason":
            parts.append(_REST.format(name=name))
        else:
            last = place == len(pieces) - 1
            parts.append(f"(?P<{name}>{_VALUES.get(name, _LAST if last else _INNER)})")
    whole = "".join(parts)
    literals = [literal for literal, *_ in pieces]
    if sum(map(str.isalnum, "".join(literals))) < 4:  # too little to be told from other text: only as a whole message
        whole = rf"(?:(?<=: )|^)(?:{whole})(?=\s*$)"
    elif text[0].isalpha():
        whole = rf"(?<!\w){whole}"
    return _Pattern(max(literals, key=len), re.compile(whole), bases)


@cache
def _anchor(text: str) -> str:
    """A word that stands in every line that has this wording, however the line was wrapped or quoted."""
    words = " ".join(literal for literal, *_ in string.Formatter().parse(text)).split()
    bare = [word.strip("'\"`,.:;()") for word in words]
    return max((word for word in bare if not set("'\"\\`") & set(word)), key=len)


class Finder:
    """Looks for the wordings of ``messages`` (of one ``release``, or of all)."""

    def __init__(self, messages: Iterable[Message], release: Release | None = None) -> None:
        self._wordings = [
            (_anchor(wording.text), message, wording)
            for message in messages
            for wording in message.wordings
            if release is None or wording.used_by(release)
        ]

    def narrow(self, text: str) -> None:
        """Forget the wordings that stand nowhere in ``text``."""
        present = {anchor: anchor in text for anchor in {anchor for anchor, *_ in self._wordings}}
        self._wordings = [entry for entry in self._wordings if present[entry[0]]]

    def find(self, line: str) -> list[Reading]:
        """The messages in ``line``, in the order they stand there; of two that overlap, the longer.

        >>> from vnetmig.analysis.catalogue.messages import MESSAGES
        >>> [(r.message.id, r.values) for r in Finder(MESSAGES).find("qemu: Missing section footer for slirp")]
        [('footer-missing', {'idstr': 'slirp'})]
        """
        found: list[Reading] = []
        for anchor, message, wording in self._wordings:
            if anchor in line:
                found.extend(_readings(message, wording, line))
                if len(found) >= MOST:
                    break
        return found if len(found) < 2 else _apart(found)


def _readings(message: Message, wording: Wording, line: str) -> Iterator[Reading]:
    pattern = _pattern(wording.text)
    behind = 0
    for _ in range(MOST):
        place = line.find(pattern.literal, behind)
        if place < 0:
            return
        match = pattern.expression.search(line, max(0, place - _BEFORE), place + _AFTER)
        if match is None:
            behind = place + 1
            continue
        behind = max(match.end(), place + 1)
        values = {name: _value(text, pattern.bases.get(name)) for name, text in match.groupdict().items()}
        yield Reading(message, wording, values, match.span())


def _value(text: str, base: int | None) -> Value:
    return text.strip() if base is None else int(text, base)


def _apart(found: list[Reading]) -> list[Reading]:
    kept: list[Reading] = []
    for reading in sorted(found, key=lambda r: r.span[0] - r.span[1]):  # stable: the table's order among equals
        start, end = reading.span
        if all(end <= other.span[0] or start >= other.span[1] for other in kept):
            kept.append(reading)
    return sorted(kept, key=lambda reading: reading.span)
