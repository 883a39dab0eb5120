"""QEMU releases: how they compare, and the ones whose loader was watched.

Knows version numbers; knows no rule and no message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.errors import FieldError

WATCHED = ("5.2", "7.2", "10.0.2", "10.0.13", "11.1")
"""Releases that verdicts were compared with, on bad and good streams. Others are taken to do as those around them."""

_NUMBER = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """One QEMU release; of "7.2" and "7.2.0" the stable number is 0.

    >>> Release.parse("10.0.13") > Release.parse("10.0.2") > Release.parse("7.2")
    True
    """

    major: int
    minor: int
    stable: int = 0

    @classmethod
    def parse(cls, text: str) -> Release:
        """The release called ``text``: "7.2", "10.0.13", "v9.1.0", "QEMU emulator version 7.2.22 (Debian ...)"."""
        found = _NUMBER.search(text)
        if found is None:
            raise FieldError(f"'{text}' is no QEMU version; such as {', '.join(WATCHED)}")
        return cls(*(int(part or 0) for part in found.groups()))

    def since(self, version: str | None) -> bool:
        """Is this release ``version`` or later? Always true of None."""
        return version is None or (self.major, self.minor, self.stable) >= _numbers(version)

    @property
    def watched(self) -> bool:
        """Is it, up to its stable number, one of ``WATCHED``?"""
        return any((self.major, self.minor) == _numbers(one)[:2] for one in WATCHED)

    @property
    def taken_for(self) -> Release:
        """The watched release that this one is taken to do as: itself, or the last one before it."""
        if self.watched:
            return self
        known = [Release.parse(text) for text in WATCHED]
        return max((release for release in known if release < self), default=known[0])

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + (f".{self.stable}" if self.stable else "")


@lru_cache(maxsize=256)
def _numbers(version: str) -> tuple[int, int, int]:
    """Rules ask for the same versions over and over."""
    found = Release.parse(version)
    return found.major, found.minor, found.stable
