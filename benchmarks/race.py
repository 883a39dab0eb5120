"""Which of several calls is quicker: all of them in turns, in short slots of one process, so that whatever else the
machine does hits them alike. Only ratios of the medians mean anything.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

SLOT_SECONDS = 0.002
SLOTS = 31
BUDGET_SECONDS = 1.5
"""What one candidate may take in all; slow ones get fewer slots, at least SLOTS_MIN."""
SLOTS_MIN = 3


@dataclass
class Contest:
    """Calls that do the same work, by name, and after ``run`` the median seconds of one call of each."""

    name: str
    calls: Mapping[str, Callable[[], object]]
    reference: tuple[str, ...]
    """The candidates that the others are compared with."""
    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """What else there is to say of a candidate, for the table."""
    least: dict[str, float] = field(default_factory=dict)
    """The quickest slot's seconds: for calls that need more than one processor, which others may have."""
    slots: int = SLOTS
    clock: Callable[[], float] = perf_counter
    """``time.thread_time`` leaves out when others have the processor; not for calls that start processes or threads."""

    def run(self) -> None:
        repeats = {name: self._repeats(call) for name, call in self.calls.items()}
        slots = {
            name: _slots(self._slot(call, repeats[name]) * repeats[name], self.slots)
            for name, call in self.calls.items()
        }
        times: dict[str, list[float]] = {name: [] for name in self.calls}
        gc.collect()
        gc.disable()
        try:
            for turn in range(self.slots):
                for name, call in self.calls.items():
                    if turn < slots[name]:
                        times[name].append(self._slot(call, repeats[name]))
        finally:
            gc.enable()
        self.seconds = {name: median(found) for name, found in times.items()}
        self.least = {name: min(found) for name, found in times.items()}

    def _slot(self, call: Callable[[], object], repeat: int) -> float:
        """Seconds of one call, over ``repeat`` of them."""
        clock, turns = self.clock, range(repeat)
        start = clock()
        for _ in turns:
            call()
        return (clock() - start) / repeat

    def _repeats(self, call: Callable[[], object]) -> int:
        call()
        return max(1, int(SLOT_SECONDS / max(min(self._slot(call, 1) for _ in range(3)), 1e-8)))

    def times(self, slow: str, quick: str) -> float:
        """How many times as long ``slow`` takes as ``quick``."""
        return self.seconds[slow] / self.seconds[quick]

    def ratios(self, name: str) -> dict[str, float]:
        """For a benchmark's extra_info: every other candidate's time over that of ``name``."""
        return {other: round(self.times(other, name), 3) for other in self.calls if other != name}


def _slots(seconds: float, most: int) -> int:
    return max(SLOTS_MIN, min(most, int(BUDGET_SECONDS / seconds)))


def table(contest: Contest) -> list[str]:
    """The contest as text: medians, and each as a multiple of the references."""
    width = max(len(name) for name in contest.calls)
    against = {name: max(13, len(name) + 4) for name in contest.reference if name in contest.calls}
    head = f"{contest.name:<{width + 2}}{'median':>12}"
    head += "".join(f"{'/ ' + name:>{room}}" for name, room in against.items())
    lines = [head, "-" * len(head)]
    for name in sorted(contest.calls, key=contest.seconds.__getitem__):
        ratios = "".join(f"{contest.times(name, other):>{room - 1}.2f}x" for other, room in against.items())
        note = contest.notes.get(name)
        lines.append(f"  {name:<{width}}{_readable(contest.seconds[name]):>12}{ratios}" + (f"  {note}" if note else ""))
    return lines


def _readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e9:.0f} ns"
