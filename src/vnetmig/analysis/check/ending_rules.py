"""Where a stream cannot be read on, and what stands behind its end: as QEMU takes the bytes there.

Source: qemu: migration/savevm.c:qemu_loadvm_state_main, qemu_loadvm_section_start_full, qemu_loadvm_state. What does
not come is read as zero. Knows headers; what is in a section is for the rules of its device.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import replace

from vnetmig.analysis.check import board_rules, command_rules, ram_rules
from vnetmig.analysis.check.stream_rules import RAM, footer, header, unknown
from vnetmig.analysis.check.trouble import ERROR_IN_DETAIL, Level, Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release
from vnetmig.document.section import Section
from vnetmig.document.stream import Buffer, Stream
from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.events import Eof, Trailing
from vnetmig.stream.payload import SectionHeader

_POSTCOPY = frozenset({framing.POSTCOPY_RUN, framing.POSTCOPY_LISTEN})


def broken(stream: Stream, error: StreamError, profile: Profile) -> Trouble:
    """What ends the load where our reader stopped, and no device did."""
    data, release = stream.input, profile.qemu
    last = stream.sections[-1] if stream.sections else None
    at = error.offset
    lost = re.match(r"Missing section footer for (?P<idstr>.*)|Mismatched section id", error.message)
    if last is not None and last.footer is None:
        if lost or error.code == "truncated":
            found = _unfinished(
                data, last, at, is_cut=error.code == "truncated" or _runs_out(data, last), release=release
            )
            if found is not None:
                return found
    else:
        begin = stream.events[-1].offset + stream.events[-1].size if stream.events else 0
        found = _next(data, begin, stream, profile)
        if found is not None:
            return found
    return Trouble("unreadable", {}, error.field, offset=at, level=Level.STREAM, words=error.message, stops=True)


def _runs_out(data: Buffer, section: Section) -> bool:
    """Is there nothing behind the section that could be another one: no footer but its own would be in sight?"""
    mark = bytes((framing.SECTION_FOOTER,)) + section.section_id.to_bytes(4, "big")
    return bytes(data).find(mark, section.payload_span[0]) < 0 and section.description is None


def _unfinished(data: Buffer, section: Section, at: int, *, is_cut: bool, release: Release) -> Trouble | None:
    """A section that no footer ends, or that the stream ends in."""
    if not is_cut:
        return footer(bytes(data[at : at + 5]), section.idstr, section.section_id, at)
    own = bytes((framing.SECTION_FOOTER,)) + section.section_id.to_bytes(4, "big")
    begin = section.payload_span[0]
    for kept in range(4, 0, -1):
        place = len(data) - kept
        if place >= begin and bytes(data[place:]) == own[:kept]:
            return footer(own[:kept], section.idstr, section.section_id, place)
    return replace(board_rules.ended_in(section, bytes(data[begin:])), stops=True)


def _next(data: Buffer, at: int, stream: Stream, profile: Profile) -> Trouble | None:
    """What begins at ``at``, read as QEMU reads a section's header or a command."""
    release = profile.qemu
    if at >= len(data):
        detail = ("section-id-truncated", {"code": -errno.EIO}) if release.since(ERROR_IN_DETAIL) else None
        return Trouble("stream-ended", {}, offset=at, level=Level.STREAM, code=errno.EIO, detail=detail, stops=True)
    kind = data[at]
    if kind == framing.COMMAND:
        raw = bytes(data[at + 1 : at + 5]).ljust(4, b"\0")
        number, length = int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:], "big")
        payload = bytes(data[at + 5 : at + 5 + length])
        return command_rules.judged(number, length, payload, at, release)
    section_id = int.from_bytes(bytes(data[at + 1 : at + 5]).ljust(4, b"\0"), "big")
    if kind in framing.RESUMED_SECTIONS:
        if at + 5 > len(data):
            values: dict[str, object] = {"what": "section ID"}
            return _stop("section-header-truncated", values, at, errno.EIO)
        return _stop("unknown-section-id", {"id": section_id}, at)
    if kind not in framing.NAMED_SECTIONS:
        return _stop("unknown-section-type", {"type": kind}, at)
    length = data[at + 5] if at + 5 < len(data) else 0
    name = bytes(data[at + 6 : at + 6 + length])
    if not length or len(name) < length:
        return _stop("section-name-truncated", {"id": section_id}, at)
    numbers = bytes(data[at + 6 + length : at + 14 + length])
    if len(numbers) < 8:
        return _stop("section-header-truncated", {"what": "instance/version ID"}, at, errno.EIO)
    idstr = name.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    found = SectionHeader(
        kind, section_id, idstr, int.from_bytes(numbers[:4], "big"), int.from_bytes(numbers[4:], "big")
    )
    if found.idstr == RAM:
        return ram_rules.version(found.version_id, at, release) or unknown(found, at)
    known = next(header(found, at, profile, stream.capabilities, frozenset()), None)
    return known or unknown(found, at)


def behind(stream: Stream) -> Iterator[Trouble]:
    """What comes behind the end mark, where a description should: QEMU says so, and has loaded everything."""
    if any(command.number in _POSTCOPY for command in stream.commands):
        return
    end = next((event for event in stream.ends if isinstance(event, Eof)), None)
    if end is None or stream.description is not None:
        return
    data, at = stream.input, end.offset + end.size
    trailing = any(isinstance(event, Trailing) for event in stream.ends)
    got = data[at] if at < len(data) else 0
    if got != framing.VMDESCRIPTION and (trailing or at >= len(data)):
        yield Trouble("vmdesc-unexpected", {"type": got}, offset=at, severity=Severity.INFO, level=Level.STREAM)


def _stop(rule: str, values: dict[str, object], at: int, code: int = errno.EINVAL) -> Trouble:
    return Trouble(rule, values, offset=at, level=Level.STREAM, code=code, stops=True)
