"""What a destination checks of a stream's first bytes: file header and configuration section.

Knows how QEMU reads them (qemu: migration/savevm.c:qemu_loadvm_state_header, vmstate_configuration and its post-load
hooks): zeros behind the end, names as C strings. Looks at bytes, because a configuration that QEMU takes for something
else is not what our reader makes of it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from vnetmig.analysis.catalogue.messages import message
from vnetmig.analysis.check.subsections import MARK, VERSION_MASK
from vnetmig.analysis.check.trouble import ERROR_IN_DETAIL, Frame, Level, Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.profile.known_types import lacks
from vnetmig.analysis.profile.machine_type import machine_type
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release
from vnetmig.document.stream import Stream
from vnetmig.migration.capabilities import EXTENSIONS, VIRTIO_ITERATIVE
from vnetmig.stream import framing

VALIDATED = ("x-ignore-shared", "mapped-ram")
"""Capabilities that the configuration section carries, and whose state must be the same on both sides."""

CONFIGURATION_SENT = "2.4"
"""Machine types before this one neither send nor expect a configuration section."""

X86_PAGE_BITS = 12

LOOKED_AT = 1 << 16
"""Bytes of the stream that an opening may take; a real one takes under 200."""

_HOOK = "configuration, version_id: 1, minimum_version: 0"
_NAME = "configuration"

#   capability                from     until
CAPABILITIES: tuple[tuple[str, str | None, str | None], ...] = (
    ("xbzrle", None, None),
    ("rdma-pin-all", None, None),
    ("auto-converge", None, None),
    ("zero-blocks", None, None),
    ("compress", None, "9.1"),
    ("events", None, None),
    ("postcopy-ram", None, None),
    ("x-colo", None, None),
    ("release-ram", None, None),
    ("block", None, "9.1"),
    ("return-path", None, None),
    ("pause-before-switchover", None, None),
    ("multifd", None, None),
    ("dirty-bitmaps", None, None),
    ("postcopy-blocktime", None, None),
    ("late-block-activate", None, None),
    ("x-ignore-shared", None, None),
    ("validate-uuid", "4.2", None),
    ("background-snapshot", "6.0", None),
    ("zero-copy-send", "7.1", None),
    ("postcopy-preempt", "7.1", None),
    ("switchover-ack", "8.1", None),
    ("dirty-limit", "8.2", None),
    ("mapped-ram", "9.0", None),
)
"""qemu: qapi/migration.json:MigrationCapability"""


@dataclass(slots=True)
class _Opening:
    """Reads ``data`` from ``at`` on, and zeros behind its end."""

    data: bytes
    at: int = 0

    @property
    def over(self) -> bool:
        return self.at > len(self.data)

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width).ljust(width, b"\0"), "big")

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken


def opening(stream: Stream, profile: Profile) -> Iterator[Trouble]:
    """Of header and configuration; one that ``stops`` ends the load."""
    if not stream.input and stream.error is None:
        return  # made of values
    opened = _Opening(_first_bytes(stream))
    if not opened.data and _is_empty(stream):
        words = "the stream is empty: QEMU goes on waiting for its first byte"
        yield Trouble("stream-empty", {}, offset=0, severity=Severity.HANG, level=Level.STREAM, words=words, stops=True)
        return
    magic = opened.number(4)
    if magic != framing.FILE_MAGIC:
        yield _stop("not-a-stream", {"magic": magic}, 0)
        return
    version = opened.number(4)
    if version != framing.FILE_VERSION:
        rule = "version-obsolete" if version == framing.FILE_VERSION_OBSOLETE else "version-unsupported"
        yield _stop(rule, {"version": version}, 4, errno.ENOTSUP)
        return
    machine = profile.machine or stream.machine
    if machine is None or machine_type(machine, profile.qemu).before(CONFIGURATION_SENT):
        return
    why = lacks(profile.qemu, machine)
    if why is not None:
        yield Trouble("machine-type-unsupported", {"type": machine}, level=Level.START, hint=f"{why}: use another")
    begin = opened.at
    found = opened.number(1)
    if found != framing.CONFIGURATION:
        yield _stop("configuration-missing", {"got": found}, begin)
        return
    yield from _configuration(opened, profile, machine, stream.configuration is not None)


def _first_bytes(stream: Stream) -> bytes:
    """With what was changed in the configuration."""
    data = bytes(stream.input[:LOOKED_AT])
    if stream.configuration is None:
        return data
    begin = framing.FILE_HEADER_SIZE + 1
    body = stream.configuration.encode()
    if data.startswith(body, begin):
        return data
    return data[:begin] + body + data[begin + len(body) :]


def _is_empty(stream: Stream) -> bool:
    """Not even a wrapper was there, whose content could not be got at."""
    return not stream.wrappers and (stream.error is None or stream.error.code == "truncated")


def _stop(rule: str, values: dict[str, object], at: int, code: int = errno.EINVAL) -> Trouble:
    return Trouble(rule, values, offset=at, level=Level.STREAM, code=code, stops=True)


def _configuration(opened: _Opening, profile: Profile, machine: str, is_read: bool) -> Iterator[Trouble]:
    """``is_read``: our reader took it for a configuration as well."""
    release = profile.qemu
    length, at = opened.number(4), opened.at
    if length >> 31 and not release.since(ERROR_IN_DETAIL):
        yield _too_much("the machine type's name", at - 4)
        return
    name = opened.take(min(length, LOOKED_AT + 1))
    if opened.over:
        yield _ended("name", release, at)
        return
    refused: list[Trouble] = []
    values: dict[str, object]
    capabilities: tuple[str, ...] | None = None
    while opened.data[opened.at : opened.at + 1] == bytes((MARK,)):
        begin = opened.at
        size = opened.data[begin + 1] if begin + 1 < len(opened.data) else 0
        found = opened.data[begin + 2 : begin + 2 + size]
        called = found.partition(b"\0")[0].decode("utf-8", "backslashreplace")
        if size < len(_NAME) + 1 or len(found) < size or not called.startswith(_NAME):
            break
        opened.at += 2 + size
        version = opened.number(4) & VERSION_MASK
        part = called.removeprefix(f"{_NAME}/")
        if part not in ("target-page-bits", "capabilities", "uuid"):
            values = {"subsection": called, "vmsd": _NAME}
            code = errno.EINVAL if release.since(ERROR_IN_DETAIL) else errno.ENOENT
            yield _stop("subsection-unknown", values, begin, code)
            return
        if version != 1:
            rule = "vmstate-too-new" if version > 1 else "vmstate-too-old"
            values = {"vmsd": called, "version": version, "local": 1, "minimum": 1}
            yield _in_subsection(rule, values, called, release, opened.at - 4)
            return
        if part == "target-page-bits":
            bits = opened.number(4)
            signed = bits - (1 << 32) if bits >> 31 else bits
            if bits != X86_PAGE_BITS and machine.startswith("pc-"):
                bad: dict[str, object] = {"stream": signed, "local": X86_PAGE_BITS}
                refused.append(
                    Trouble(
                        "page-bits", bad, "configuration.target_page_bits", begin, level=Level.STREAM, hook=_HOOK,
                        stops=True,
                    )
                )  # fmt: skip
        elif part == "uuid":
            yield from _uuid(opened.take(16).ljust(16, b"\0"), profile, begin)
        else:
            count = opened.number(4)
            if count >> 28 and not release.since(ERROR_IN_DETAIL):
                yield _too_much("the list of capabilities", begin)
                return
            listed = []
            for _ in range(min(count, len(opened.data))):
                called_one = opened.take(opened.number(1)).partition(b"\0")[0].decode("utf-8", "backslashreplace")
                if not _is_known(called_one, release):
                    frames = (Frame("configuration/capabilities", "capabilities", "capability"),)
                    unknown: dict[str, object] = {"capability": called_one}
                    yield _in_subsection("capability-unknown", unknown, called, release, begin, frames)
                    return
                listed.append(called_one)
            capabilities = tuple(listed)
    yield from _machine(name, length, profile, machine)
    yield from refused
    if profile.capabilities is not None:
        yield from _validated(capabilities or (), profile.capabilities)


def _machine(name: bytes, length: int, profile: Profile, machine: str) -> Iterator[Trouble]:
    """As strncmp does it: as many bytes as the stream says, up to a zero."""
    local = machine.encode()
    if profile.machine is None or (local + b"\0").startswith(name[: len(local) + 1]):
        return
    found = name.partition(b"\0")[0]
    if found.startswith(local + b"-"):  # a family's name, which its QEMU takes for the newest: as the stream's
        return
    text = found.decode("utf-8", "backslashreplace")
    yield Trouble(
        "machine-type",
        {"stream": text, "local": machine},
        "configuration.machine_type",
        hook=_HOOK,
        level=Level.STREAM,
        hint=f"start the destination with -machine {text}",
    )


def _uuid(found: bytes, profile: Profile, at: int) -> Iterator[Trouble]:
    stream = str(UUID(bytes=found))
    if profile.uuid is None:
        if profile.machine is not None:
            words = "warning: " + (message("uuid-unset").say(profile.qemu, stream=stream) or "")
            yield Trouble(
                "uuid-unset", {"stream": stream}, offset=at, severity=Severity.WARNING, level=Level.STREAM, words=words
            )
    elif profile.uuid.lower() != stream:
        yield _stop("uuid-mismatch", {"stream": stream, "local": profile.uuid}, at)


def _validated(there: tuple[str, ...], here: frozenset[str]) -> Iterator[Trouble]:
    state = {True: "on", False: "off"}
    for name in VALIDATED:
        if (name in here) != (name in there):
            values = {"capability": name, "stream": state[name in there], "local": state[name in here]}
            yield Trouble(
                "capability-mismatch",
                values,
                "configuration.capabilities",
                level=Level.STREAM,
                hook=_HOOK,
                detail=("capabilities-failed", {}),
            )


def _is_known(name: str, release: Release) -> bool:
    if name in (VIRTIO_ITERATIVE, *EXTENSIONS):
        return True  # of patched sides, that know it: what their streams need is said at the sections
    return any(
        name == one and release.since(begin) and not (until is not None and release.since(until))
        for one, begin, until in CAPABILITIES
    )


def _too_much(what: str, at: int) -> Trouble:
    words = f"the length of {what} is negative: QEMU asks for that much memory and dies of it"
    return Trouble("memory-asked", {}, offset=at, severity=Severity.CRASH, level=Level.STREAM, words=words, stops=True)


def _ended(name: str, release: Release, at: int) -> Trouble:
    code = errno.EINVAL if release.since(ERROR_IN_DETAIL) else errno.EIO
    values = {"vmsd": _NAME, "code": -errno.EIO}
    frames = (Frame(_NAME, name),)
    return Trouble(
        "stream-error", values, f"{_NAME}.{name}", at, level=Level.STREAM, code=code, frames=frames, stops=True
    )


def _in_subsection(
    rule: str, values: dict[str, object], subsection: str, release: Release, at: int, frames: tuple[Frame, ...] = ()
) -> Trouble:
    """Refused in a subsection: since 10.2 that is said around the reason."""
    says = None
    if release.since(ERROR_IN_DETAIL):
        reason = message(rule).say(release, **values)
        says = ("subsection-failed", {"subsection": subsection, "vmsd": _NAME, "reason": reason})
    return Trouble(rule, values, offset=at, level=Level.STREAM, says=says, frames=frames, stops=True)
