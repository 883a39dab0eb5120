"""What a destination checks of the commands in a stream, and in which postcopy state it takes them.

Source: qemu: migration/savevm.c:loadvm_process_command. Knows no section.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vnetmig.analysis.check.trouble import Level, Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.release import Release
from vnetmig.stream import framing
from vnetmig.stream.events import Command

SWITCHOVER_SINCE = "10.0"
COLO_CHECKED = "8.1"
"""Since then COLO that was not switched on is refused; before, the load waits for it for ever."""
COLO_GONE = "11.0"

NONE, ADVISE, DISCARD, LISTENING, RUNNING = range(5)
"""qemu: migration/postcopy-ram.h:PostcopyState"""

#   command                         states it is taken in      the state after it
_POSTCOPY: dict[int, tuple[frozenset[int], int]] = {
    framing.POSTCOPY_ADVISE: (frozenset({NONE}), ADVISE),
    framing.POSTCOPY_RAM_DISCARD: (frozenset({ADVISE, DISCARD}), DISCARD),
    framing.POSTCOPY_LISTEN: (frozenset({ADVISE, DISCARD}), LISTENING),
    framing.POSTCOPY_RUN: (frozenset({LISTENING}), RUNNING),
}


@dataclass(slots=True)
class _Incoming:
    """What the commands so far have made of the destination."""

    state: int = NONE
    has_return_path: bool = False


def commands(found: Iterable[Command], release: Release) -> Iterator[Trouble]:
    """Of commands that were read; ``offset`` of each trouble is its command's."""
    incoming = _Incoming()
    for command in found:
        payload = command.payload.encode()
        trouble = judged(command.number, len(payload), payload, command.offset, release, incoming)
        if trouble is not None:
            yield trouble


def judged(
    number: int, length: int, payload: bytes, at: int, release: Release, incoming: _Incoming | None = None
) -> Trouble | None:
    """One command; None when it is taken."""
    incoming = incoming or _Incoming()
    kind = framing.COMMANDS.get(number)
    is_new = number == framing.SWITCHOVER_START and not release.since(SWITCHOVER_SINCE)
    header: dict[str, object] = {"command": number, "length": length}
    if kind is None or is_new:
        return _refused("command-unknown", header, at)
    if kind.length not in (framing.VARIABLE, length):
        values: dict[str, object] = {"name": kind.name, "expected": kind.length, "got": length}
        return _refused("command-length", values, at, errno.ERANGE)
    if number in _POSTCOPY:
        taken, after = _POSTCOPY[number]
        if incoming.state not in taken:
            wrong: dict[str, object] = {"what": kind.name.removeprefix("POSTCOPY_"), "state": incoming.state}
            return _refused("postcopy-state", wrong, at, errno.EPERM)
        incoming.state = after
    elif number == framing.OPEN_RETURN_PATH:
        incoming.has_return_path = True
    elif number == framing.PING and not incoming.has_return_path:
        return _refused("ping", {"value": int.from_bytes(payload[:4].ljust(4, b"\0"), "big")}, at, errno.EPERM)
    elif number == framing.ENABLE_COLO:
        return _colo(header, at, release)
    elif number == framing.POSTCOPY_RESUME and incoming.state == NONE:
        return Trouble("resume", {}, offset=at, severity=Severity.WARNING, level=Level.STREAM)
    elif number == framing.RECV_BITMAP and not length:
        return _refused("bitmap-length", {"length": length}, at)
    return None


def _colo(header: dict[str, object], at: int, release: Release) -> Trouble:
    if release.since(COLO_GONE):
        return _refused("command-deprecated", header, at)
    if release.since(COLO_CHECKED):
        return _refused("colo", {}, at)
    words = "the stream switches COLO on: QEMU waits for a source that sends checkpoints"
    return Trouble("colo", {}, offset=at, severity=Severity.HANG, level=Level.STREAM, words=words, stops=True)


def _refused(rule: str, values: dict[str, object], at: int, code: int = errno.EINVAL) -> Trouble:
    return Trouble(rule, values, offset=at, level=Level.STREAM, code=code, stops=True)
