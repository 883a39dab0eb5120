"""Iterable sections as another stream had them, RAM above all: the same START, PARTs and END again.

Knows rounds and bytes; does not know what the payloads hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vnetmig.migration.handlers import FINISHED, MORE, QuietHandlers, SaveFile
from vnetmig.stream.payload import SectionHeader


@dataclass(frozen=True, slots=True)
class Recording:
    """The payloads of one section id."""

    header: SectionHeader
    start: bytes = b""
    parts: tuple[bytes, ...] = ()
    end: bytes = b""

    def with_part(self, part: bytes) -> Recording:
        """The same with one more PART in front of the others."""
        return replace(self, parts=(part, *self.parts))


@dataclass(slots=True)
class Playback:
    """A recording on its way; ``sent`` of its PARTs are out, ``left`` bytes of the others are not."""

    recording: Recording
    sent: int = 0
    left: int = 0


class RecordedHandlers(QuietHandlers):
    """``opaque`` is a Playback."""

    __slots__ = ()

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        opaque.sent = 0
        opaque.left = sum(map(len, opaque.recording.parts))
        file.put_buffer(opaque.recording.start)
        return 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        parts = opaque.recording.parts
        file.put_buffer(parts[opaque.sent])
        opaque.left -= len(parts[opaque.sent])
        opaque.sent += 1
        return FINISHED if opaque.sent == len(parts) else MORE

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        file.put_buffer(opaque.recording.end)
        return 0

    def state_pending_estimate(self, opaque: Any) -> int:
        return int(opaque.left)
