"""Lines that no table has: which of them are worth a word, and what they are like.

Knows what QEMU's lines and errors look like; knows no message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vnetmig.analysis.catalogue.messages import MESSAGES
from vnetmig.analysis.explain.explanation import Unknown
from vnetmig.analysis.explain.harmless import harmless
from vnetmig.analysis.explain.log import LogLine
from vnetmig.analysis.explain.nearest import nearest

NEAREST_MOST = 5
"""Lines for which similar messages are looked for."""

_QEMU = re.compile(r"(?:\bqemu[\w.-]{0,40}|\bkvm|QEMU): ")
_ERROR = re.compile(_QEMU.pattern + r"|\b(?:error|failed|Failed|Unable|cannot|Assertion)\b")


def not_understood(rest: Sequence[LogLine], *, alone: bool, most: int) -> tuple[list[Unknown], list[str]]:
    """QEMU's lines that no table has, ``most`` and one of them (``alone``, with nothing else understood: also others
    that look like errors, or the only line there is); and what the harmless ones are."""
    unknown: list[Unknown] = []
    quiet: list[str] = []
    looks = _ERROR if alone else _QEMU
    for line in rest:
        what = harmless(line.text)
        if what is not None:
            quiet.append(what)
        elif len(unknown) <= most and ((alone and len(rest) == 1) or looks.search(line.text, 0, 2000)):
            near = tuple(nearest(MESSAGES, line.text)) if len(unknown) < NEAREST_MOST else ()
            unknown.append(Unknown(line.text.strip()[:500], line.number, near))
    return unknown, quiet
