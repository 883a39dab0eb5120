"""In which form devices went at the end, and which of their fields made it so.

Knows the finals of outcomes and the names of frames; makes none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from vnetmig.migration.run import Final as LastFrame
from vnetmig.report.blocks import Block, Facts, Table, columns
from vnetmig.report.run import Run
from vnetmig.stream.tentative import FLAG_NAMES, WHOLE
from vnetmig.virtio.resync import always_changes

FIELDS_MOST: Final = 8

_INDEX = re.compile(r"\[[0-9]+\]", re.ASCII)
_WHOLE_NAMES: Final = {FLAG_NAMES[flag] for flag in WHOLE}


@dataclass(slots=True)
class FramesOf:
    """One mode: ``forms`` by name, ``resends`` of each run, and in how many runs a field ``changed`` since the early
    state, or was the reason that a state went whole (``forced``). Elements of an array are one field."""

    forms: Counter[str] = field(default_factory=Counter)
    resends: list[int] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    forced: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, runs: Sequence[Run]) -> FramesOf:
        found = cls()
        for run in runs:
            finals = run.outcome.finals
            if not finals:
                continue
            found.forms.update(final.form for final in finals)
            found.resends.append(sum(final.resends for final in finals))
            found.changed.update({path for final in finals for path in _paths(final.changed)})
            found.forced.update({path for final in finals for path in _forced(final)})
        return found


def _paths(changed: Sequence[str]) -> Iterator[str]:
    return (_INDEX.sub("[*]", path) for path in changed)


def _forced(final: LastFrame) -> Iterator[str]:
    if final.form in _WHOLE_NAMES:
        yield from _paths([path for path in final.changed if not always_changes(path)])


def frames_of(runs: Mapping[str, Sequence[Run]]) -> dict[str, FramesOf]:
    """Of the modes that had any."""
    found = {mode: FramesOf.of(each) for mode, each in runs.items()}
    return {mode: frames for mode, frames in found.items() if frames.forms}


def frame_blocks(runs: Mapping[str, Sequence[Run]]) -> Iterator[Block]:
    found = frames_of(runs)
    if not found:
        return
    names = list(dict.fromkeys(name for frames in found.values() for name in frames.forms))
    table = Table(
        "frames at the end, and states sent again while the guest ran",
        columns("mode", *(f">{name}" for name in names), ">resends, mean", ">most"),
    )
    facts = Facts("fields of these devices, most frequent first (in so many runs)")
    for mode, frames in found.items():
        counts = (str(frames.forms[name]) for name in names)
        table.rows.append((mode, *counts, f"{fmean(frames.resends):.1f}", str(max(frames.resends))))
        if frames.changed:
            facts.pairs.append((mode, f"changed since the early state: {_most(frames.changed)}"))
        if frames.forced:
            facts.pairs.append((mode, f"made it go whole: {_most(frames.forced)}"))
    yield table
    if facts.pairs:
        yield facts


def _most(counted: Counter[str]) -> str:
    shown = ", ".join(f"{path} ({number})" for path, number in counted.most_common(FIELDS_MOST))
    return f"{shown}, and {len(counted) - FIELDS_MOST} more" if len(counted) > FIELDS_MOST else shown
