"""What QEMU says when it refuses a stream: one entry for each message, its wording release by release.

Knows how a wording is written and read back: ``{name:format}`` stands for a value. Knows no stream and no rule. The
messages themselves are tables in the modules beside this one, one for each layer of QEMU's loader.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from vnetmig.analysis.release import Release


@dataclass(frozen=True, slots=True)
class Wording:
    """One wording, in use from release ``since`` to before ``until``. The text is a ``str.format`` template."""

    text: str
    since: str | None = None
    until: str | None = None

    def used_by(self, release: Release) -> bool:
        return release.since(self.since) and not (self.until is not None and release.since(self.until))


@dataclass(frozen=True, slots=True)
class Message:
    """A message of QEMU's, what it means and what to do about it."""

    id: str  #: also the id of the rule of `vnetmig check` that foresees it
    source: str  #: QEMU file:symbol
    wordings: tuple[Wording, ...]
    means: str  #: one or two sentences
    causes: tuple[str, ...] = ()  #: who usually did it, likeliest first
    remedies: tuple[str, ...] = ()  #: what to do, likeliest to help first
    see: tuple[str, ...] = field(default=())  #: public threads and bug numbers

    def wording(self, release: Release) -> Wording | None:
        """What ``release`` says; None when it says nothing."""
        return next((wording for wording in self.wordings if wording.used_by(release)), None)

    def say(self, release: Release, **values: object) -> str | None:
        """The message of ``release`` with ``values`` in it; None when that release says nothing."""
        found = self.wording(release)
        return None if found is None else found.text.format_map(values)


@dataclass(frozen=True, slots=True)
class Reading:
    """A line that was recognised: which message, in which wording, with which values (as text)."""

    message: Message
    wording: Wording
    values: dict[str, str]
    span: tuple[int, int]  #: where in the line


#   format   what it prints
_READS = {
    "x": "[0-9a-f]+",
    "#x": "0x[0-9a-f]+",
    "d": "-?[0-9]+",
    "": ".+?",
}


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts: list[str] = []
    for literal, name, form, _ in string.Formatter().parse(text):
        parts.append(re.escape(literal))
        if name is not None:
            wide = re.fullmatch(r"0\d+x", form or "")
            parts.append(f"(?P<{name}>{'[0-9a-f]+' if wide else _READS[form or '']})")
    # The last value takes what is left of its line.
    whole = "".join(parts)
    return re.compile(whole + (r"(?=\s*$|\s)" if not whole.endswith(".+?)") else r"(?=\s*$)"))


def read(messages: tuple[Message, ...], line: str) -> Iterator[Reading]:
    """Every message of ``messages`` that stands in ``line``, in table order."""
    for message in messages:
        for wording in message.wordings:
            found = _pattern(wording.text).search(line)
            if found is not None:
                yield Reading(message, wording, found.groupdict(), found.span())
                break
