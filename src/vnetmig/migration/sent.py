"""What a source has sent: every section but RAM's, the digest of the whole stream, and the comparison with what
arrived.

Knows sections and results; knows no order of events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from vnetmig.engine import name as engine_in_use
from vnetmig.migration.comparison import Difference, Sent, compare
from vnetmig.migration.registry import SaveStateEntry
from vnetmig.migration.result import Result
from vnetmig.migration.timeline import DeviceTimes, Phase, Timeline


class SentSections:
    """Filled by the source as it writes."""

    def __init__(self) -> None:
        self._sections: list[Sent] = []
        self._parts: dict[tuple[str, int], tuple[int, int]] = {}
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._sections)

    def count(self, data: bytes) -> None:
        """Bytes of the stream itself, in order."""
        self._digest.update(data)

    def digest(self) -> bytes:
        """SHA-256 of all that was counted."""
        return self._digest.digest()

    def note(self, entry: SaveStateEntry, data: bytes, size: int, spent: int, *, early: bool = False) -> None:
        """A START, END or FULL section of ``size`` bytes. ``data``: what the destination holds after it."""
        if entry.idstr != "ram":
            names = entry.idstr, entry.instance_id, entry.section_id, entry.version_id
            self._sections.append(Sent(*names, data, spent, early, size))

    def note_part(self, entry: SaveStateEntry, size: int, spent: int) -> None:
        """A PART: it adds to what its section cost while the guest ran."""
        if entry.idstr != "ram":
            bytes_before, spent_before = self._parts.get((entry.idstr, entry.instance_id), (0, 0))
            self._parts[entry.idstr, entry.instance_id] = bytes_before + size, spent_before + spent

    def again(self, key: tuple[str, int], data: bytes, size: int, spent: int) -> None:
        """A device's state was sent again behind the end of the stream."""
        for index, sent in enumerate(self._sections):
            if (sent.idstr, sent.instance_id) == key and not sent.early:
                self._sections[index] = replace(sent, data=data, size=sent.size + size, save_ns=sent.save_ns + spent)

    def compare(self, result: Result) -> tuple[Difference, ...]:
        """Where the destination holds something else."""
        return compare(self._sections, self._digest.hexdigest(), result)

    def timeline(
        self,
        mode: str,
        engine: str | None,
        result: Result | None,
        phases: tuple[Phase, ...],
        checkpoints: tuple[tuple[str, int], ...],
        written: int,
    ) -> Timeline:
        """Times and sizes, with those of the destination where it told them."""
        theirs = result.sections if result is not None else ()
        devices = []
        for number, sent in enumerate(self._sections):
            load_ns = theirs[number].load_ns if number < len(theirs) else 0
            size, save_ns = sent.size, sent.save_ns
            if sent.early:
                more, longer = self._parts.get((sent.idstr, sent.instance_id), (0, 0))
                size, save_ns = size + more, save_ns + longer
            devices.append(DeviceTimes(sent.idstr, sent.instance_id, size, save_ns, load_ns, sent.early))
        return Timeline(mode, engine or engine_in_use, tuple(devices), phases, checkpoints, written)
