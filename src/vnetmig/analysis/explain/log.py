"""Lines of a log, out of what other programs wrap them in: JSON, XML entities, escapes, quotes of mail.

Knows wrappings (virt-launcher, libvirt, oslo, syslog, mail); knows no message. What comes out may still have a time and
a program's name in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import json

LONGEST = 8192
"""A longer line is looked at in pieces of this many characters."""

OVERLAP = 1024

_ENTITIES = (
    ("&#10;", "\n"),
    ("&#xA;", "\n"),
    ("&#13;", ""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&quot;", '"'),
    ("&#34;", '"'),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
)

_QUOTED = r"(?:> ?){1,8}"
_BEGINS = (
    r"\s*(?:\d{4}-\d\d-\d\d|[A-Z][a-z]{2} +\d|\d+@\d|qemu|QEMU|kvm|error:|warning:|\{|\[|(?:/\S{0,200}/)?qemu[\w.-]*:)"
)
"""How a line begins that is not the rest of the one before."""

_WRAPS_FROM = 36
"""Nobody wraps a line at fewer characters."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A piece of a log. Only what begins before ``end`` belongs to it; the rest is there to be read to its end."""

    number: int  #: of the line in the input, from 1
    text: str
    end: int


def lines(text: str) -> Iterator[LogLine]:
    """The lines of ``text``, unwrapped; several of them may have one number."""
    for number, raw in enumerate(text.split("\n"), 1):
        if not raw:
            continue
        for piece in _unwrapped(raw):
            if len(piece) <= LONGEST:
                if piece and not piece.isspace():
                    yield LogLine(number, piece, len(piece))
                continue
            for start in range(0, len(piece), LONGEST):
                part = piece[start : start + LONGEST + OVERLAP]
                yield LogLine(number, part, min(LONGEST, len(part)))


def continues(line: LogLine, following: LogLine) -> bool:
    """May ``following`` be the end of ``line``, which a mail program or a terminal has wrapped?"""
    return (
        _WRAPS_FROM <= len(line.text) <= 200
        and len(following.text) <= 200
        and following.number == line.number + 1
        and re.match(_BEGINS, following.text) is None
    )


def _unwrapped(raw: str) -> Iterator[str]:
    raw = raw.rstrip("\r")
    if '{"' in raw and ('"msg"' in raw or '"message"' in raw):
        for part in _json_texts(raw):
            yield from _plain(part)
        return
    yield from _plain(raw)


def _plain(text: str) -> Iterator[str]:
    if text.startswith(">"):
        text = re.sub(_QUOTED, "", text, count=1)
    if "&" in text:
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
    if "\\" in text:
        text = text.replace("\\r", "").replace("\\n", "\n").replace('\\"', '"').replace("\\'", "'")
    if "''" in text:
        text = text.replace("''", "'")
    if "\n" in text:
        yield from text.split("\n")
    else:
        yield text


def _json_texts(raw: str) -> list[str]:
    """The texts of a JSON log line; the line itself when it is none."""
    start = raw.index('{"')
    try:
        record, _ = _decoder().raw_decode(raw, start)
    except (ValueError, RecursionError):
        return [raw]
    found = [record[key] for key in ("msg", "message", "reason", "error") if isinstance(record.get(key), str)]
    return found or [raw]


@cache
def _decoder() -> json.JSONDecoder:
    import json  # most logs need none

    return json.JSONDecoder()
