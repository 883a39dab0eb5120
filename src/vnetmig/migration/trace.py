"""QEMU's downtime trace lines: written as QEMU writes them, and read from its logs.

Knows the text of three trace events (qemu: migration/trace-events, since 8.2) and the names of checkpoints in the order
in which they come; measures nothing. Downtimes are microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ITERABLE, NON_ITERABLE = "iterable", "non-iterable"

#                      trace event                    text behind it
FORMATS: Final[dict[str, str]] = {
    "vmstate_downtime_checkpoint": "{checkpoint}",
    "vmstate_downtime_save": "type={type} idstr={idstr} instance_id={instance_id} downtime={downtime}",
    "vmstate_downtime_load": "type={type} idstr={idstr} instance_id={instance_id} downtime={downtime}",
}
_PATTERNS = {
    "checkpoint": r"[\w-]{1,64}",
    "type": r"[\w-]+",
    "idstr": r"\S(?:[^\n]*?\S)?",
    "instance_id": r"-?\d{1,10}",
    "downtime": r"-?\d{1,18}",
}
"""Decimals as far as QEMU's types reach: a longer number is none of its lines."""
_NUMBERS = ("instance_id", "downtime")

SOURCE_CHECKPOINTS: Final = (
    "src-downtime-start",
    "src-vm-stopped",
    "src-iterable-saved",
    "src-non-iterable-saved",
    "src-downtime-end",
)
DESTINATION_CHECKPOINTS: Final = (
    "dst-precopy-loadvm-completed",
    "dst-precopy-bh-enter",
    "dst-precopy-bh-announced",
    "dst-precopy-bh-vm-started",
)


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One event. ``str()`` of it is QEMU's line, without prefix."""

    event: str
    values: tuple[tuple[str, str | int], ...]

    def __getitem__(self, key: str) -> str | int:
        return dict(self.values)[key]

    def __str__(self) -> str:
        return f"{self.event} {FORMATS[self.event].format_map(dict(self.values))}"


def checkpoint(name: str) -> TraceLine:
    """
    >>> print(checkpoint("src-downtime-start"))
    vmstate_downtime_checkpoint src-downtime-start
    """
    return TraceLine("vmstate_downtime_checkpoint", (("checkpoint", name),))


def saved(kind: str, idstr: str, instance_id: int, nanoseconds: int) -> TraceLine:
    """
    >>> print(saved(NON_ITERABLE, "0000:00:03.0/virtio-net", 0, 356_789))
    vmstate_downtime_save type=non-iterable idstr=0000:00:03.0/virtio-net instance_id=0 downtime=356
    """
    return _downtime("vmstate_downtime_save", kind, idstr, instance_id, nanoseconds)


def loaded(kind: str, idstr: str, instance_id: int, nanoseconds: int) -> TraceLine:
    """
    >>> print(loaded(ITERABLE, "ram", 0, 166_426_000))
    vmstate_downtime_load type=iterable idstr=ram instance_id=0 downtime=166426
    """
    return _downtime("vmstate_downtime_load", kind, idstr, instance_id, nanoseconds)


def _downtime(event: str, kind: str, idstr: str, instance_id: int, nanoseconds: int) -> TraceLine:
    microseconds = nanoseconds // 1000
    values = (("type", kind), ("idstr", idstr), ("instance_id", instance_id), ("downtime", microseconds))
    return TraceLine(event, values)


def _pattern(event: str, text: str) -> str:
    """A regular expression for one event; lines of mails may be wrapped between items."""
    items = [re.sub(r"\{(\w+)\}", lambda m: f"({_PATTERNS[m[1]]})", item) for item in text.split(" ")]
    return rf"{event}\s+" + r"\s+".join(items) + r"(?!\S)"


_KEYS = {event: re.findall(r"\{(\w+)\}", text) for event, text in FORMATS.items()}
_LINES = {event: re.compile(_pattern(event, text), re.ASCII) for event, text in FORMATS.items()}
_EVENT = re.compile("|".join(FORMATS))


def parse(log: str) -> Iterator[TraceLine]:
    """Every downtime event of a log, in order, whatever stands in front of it or around it.

    >>> text = "1@2.3:vmstate_downtime_load type=iterable idstr=ram\\n  instance_id=0 downtime=7 x"
    >>> [str(line) for line in parse(text)]
    ['vmstate_downtime_load type=iterable idstr=ram instance_id=0 downtime=7']
    """
    for event in _EVENT.finditer(log):
        found = line_at(log, event.start())
        if found is not None:
            yield found


def line_at(text: str, place: int = 0) -> TraceLine | None:
    """The event whose name begins at ``place``; None when there is none, or only a part of one.

    >>> line_at("vmstate_downtime_save type=non-iterable idstr=cpu instance_id=-1 downtime=9")["instance_id"]
    4294967295
    """
    event = _EVENT.match(text, place)
    found = None if event is None else _LINES[event[0]].match(text, place)
    if event is None or found is None:
        return None
    pairs = zip(_KEYS[event[0]], found.groups(), strict=True)
    return TraceLine(event[0], tuple((key, _value(key, value)) for key, value in pairs))


def _value(key: str, text: str) -> str | int:
    if key not in _NUMBERS:
        return text
    # qemu: the event prints an unsigned instance_id by %d
    return int(text) & 0xFFFFFFFF if key == "instance_id" else int(text)
