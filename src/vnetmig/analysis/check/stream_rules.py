"""What a destination checks of a stream outside of its devices: sections, footers, how it ends.

Source: qemu: migration/savevm.c:qemu_loadvm_state_main, qemu_loadvm_section_start_full, check_section_footer.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Iterator

from vnetmig.analysis.check.trouble import Level, Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.profile.profile import Profile
from vnetmig.document.section import Section
from vnetmig.document.stream import Buffer, Stream
from vnetmig.errors import StreamError
from vnetmig.virtio.section import SECTIONS, device_of
from vnetmig.vmstate import Vmsd

ITERATIVE = "virtio-iterative"
"""The capability of the RFC "virtio-net: initial iterative live migration support"."""

_PCI_PATH = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}(:[0-9a-f]{2}\.[0-7])+/[^/]+$")


def header(section: Section, profile: Profile, capabilities: Collection[str]) -> Iterator[Trouble]:
    """Is there a device for this section, and does it know this version?"""
    idstr, instance = section.idstr, section.instance_id
    kind = device_of(idstr)
    is_known = takes(profile, idstr, instance, kind)
    if not is_known and section.type == "start" and ITERATIVE in capabilities:
        yield Trouble(
            "needs-iterative",
            {},
            offset=section.offset,
            severity=Severity.INFO,
            level=Level.STREAM,
            words=f"'{idstr}' comes while the guest runs: only a QEMU with the RFC's capability {ITERATIVE} takes that",
        )
        return
    if not is_known:
        yield Trouble(
            "unknown-section",
            {"idstr": idstr, "instance": instance},
            offset=section.offset,
            level=Level.STREAM,
            stops=True,
            hint=_where_else(idstr, kind, profile),
        )
        return
    if kind is not None:
        yield from version(SECTIONS[kind][0], section)


def takes(profile: Profile, idstr: str, instance: int, kind: str | None) -> bool:
    """Is there a device for a section of that name and instance?"""
    if kind is not None and profile.devices:
        if profile.device(idstr) is not None:
            return instance == 0
        # The bare name is accepted with the number that the device has among its kind (qemu: find_se).
        same = [device for device in profile.devices if device.kind == kind]
        return idstr == kind and instance < len(same)
    if profile.complete and _PCI_PATH.match(idstr):
        return idstr in profile.others
    return True


def _where_else(idstr: str, kind: str | None, profile: Profile) -> str | None:
    same = [device.idstr for device in profile.devices if device.kind == kind]
    if kind is None:
        return None
    if not same:
        return f"the destination has no {kind}"
    return f"the destination has its {kind} at {', '.join(same)}: give it the same PCI address (addr=, bus=)"


def version(vmsd: Vmsd, section: Section) -> Iterator[Trouble]:
    found = section.version_id
    if found > vmsd.version:
        values = {"version": found, "idstr": section.idstr, "local": vmsd.version}
        yield Trouble("unsupported-version", values, offset=section.offset, level=Level.STREAM, stops=True)
    elif found < vmsd.minimum_version:
        values = {"vmsd": vmsd.name, "version": found, "minimum": vmsd.minimum_version}
        yield Trouble("vmstate-too-old", values, offset=section.offset, level=Level.SECTION, stops=True)


def missing_devices(stream: Stream, profile: Profile) -> Iterator[Trouble]:
    """Devices of the destination that nothing came for stay as after a reset: QEMU does not mind, the guest does."""
    came = stream.names
    bare = {idstr for idstr in came if "/" not in idstr}
    for device in profile.devices:
        if device.idstr not in came and device.kind not in bare:
            yield Trouble(
                "device-missing",
                {"idstr": device.idstr},
                severity=Severity.BROKEN,
                level=Level.STREAM,
                words=f"the stream has no state for '{device.idstr}': the destination's device stays reset",
            )


def footer(mark: bytes, idstr: str, section_id: int, at: int) -> Trouble | None:
    """The five bytes where a footer must stand; None when they are one, with that section's id."""
    detail = ("footer-error", {"id": section_id})
    if mark[:1] != b"\x7e":
        return Trouble("footer-missing", {"idstr": idstr}, offset=at, level=Level.STREAM, detail=detail, stops=True)
    found = int.from_bytes(mark[1:5].ljust(4, b"\0"), "big")  # what the stream does not have is read as zero
    if found != section_id:
        values = {"idstr": idstr, "got": found, "expected": section_id}
        return Trouble("footer-mismatch", values, offset=at, level=Level.STREAM, detail=detail, stops=True)
    return None


def description(error: StreamError, data: Buffer) -> Trouble:
    """What stands behind the end mark is no description: QEMU says so, and has loaded everything."""
    at = error.offset
    got = data[at] if at < len(data) else 0
    severity = Severity.WARNING
    return Trouble("vmdesc-unexpected", {"type": got}, offset=at, severity=severity, level=Level.STREAM)


#   the reader's message                                          rule                 errno
_READING = (
    (r"Unknown savevm section type (?P<type>\d+)", "unknown-section-type", errno.EINVAL),
    (r"Unknown savevm section (?P<id>\d+)$", "unknown-section-id", errno.EINVAL),
    (r"MIG_CMD (?P<command>0x[0-9a-f]+) unknown", "command-unknown", errno.EINVAL),
)


def reading(error: StreamError, data: Buffer) -> Trouble:
    """What ended the reading of the stream, where no device did. ``data``: the stream."""
    at = error.offset
    lost = re.match(r"Missing section footer for (?P<idstr>.*)|Mismatched section id", error.message)
    if lost and isinstance(error.stream, Stream) and error.stream.sections:
        section = error.stream.sections[-1]
        found = footer(bytes(data[at : at + 5]), section.idstr, section.section_id, at)
        if found is not None:
            return found
    for pattern, rule, code in _READING:
        match = re.match(pattern, error.message)
        if match:
            values: dict[str, object] = {name: int(text, 0) for name, text in match.groupdict().items()}
            return Trouble(rule, values, offset=at, level=Level.STREAM, code=code, stops=True)
    if error.code == "truncated":
        last = error.stream.events[-1] if isinstance(error.stream, Stream) and error.stream.events else None
        return _ended(error, data, 0 if last is None else last.offset + last.size)
    return Trouble("unreadable", {}, error.field, offset=at, level=Level.STREAM, words=error.message, stops=True)


def _ended(error: StreamError, data: Buffer, at: int) -> Trouble:
    """The stream ends between devices: in a section's header at ``at``, or where a section should begin."""
    what = None
    if data[at : at + 1] in (b"\x01", b"\x04") and "header" in error.message:
        left = len(data) - at - 1
        name = data[at + 5] if left > 4 else 0
        what = "section ID" if left < 4 else "instance/version ID" if left >= 5 + name else None
        if what is None:
            section_id = int.from_bytes(data[at + 1 : at + 5], "big")
            values: dict[str, object] = {"id": section_id}
            return Trouble("section-name-truncated", values, offset=at, level=Level.STREAM, stops=True)
    if what is not None:
        return Trouble(
            "section-header-truncated", {"what": what}, offset=at, level=Level.STREAM, code=errno.EIO, stops=True
        )
    return Trouble("stream-ended", {}, error.field, offset=at, level=Level.STREAM, code=errno.EIO, stops=True)
