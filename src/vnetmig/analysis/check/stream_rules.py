"""What a destination checks of a stream outside of its devices: sections, footers, how it ends.

Source: qemu: migration/savevm.c:qemu_loadvm_state_main, qemu_loadvm_section_start_full, check_section_footer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from vnetmig.analysis.check.trouble import Level, Trouble
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.profile.profile import Profile
from vnetmig.document.stream import Buffer, Stream
from vnetmig.errors import StreamError
from vnetmig.stream import framing
from vnetmig.stream.payload import SectionHeader
from vnetmig.virtio.section import SECTIONS, device_of
from vnetmig.vmstate import Vmsd

ITERATIVE = "virtio-iterative"
"""The capability of the RFC "virtio-net: initial iterative live migration support"."""

ANY_INSTANCE = 0xFFFFFFFF
"""What every device without an alias answers to (qemu: VMSTATE_INSTANCE_ID_ANY)."""

RAM = "ram"
RAM_VERSION = 4

_LIVE = re.compile(r"block$|dirty-bitmap$|slirp$|virtio-net-iterative$|vnetmig|spapr|cmma$|s390-|htab|.*/")
"""What may send its state while the guest runs: names that a board has, and all that stand at a path."""

_NETWORK = re.compile(rb"\s--?(netdev|nic|net|nodefaults)\s")
_USER = re.compile(rb"--?(netdev|nic|net)[\s'\"]+user\b|\btype=user\b")
"""A network of QEMU's own, which has a section; without any option there is one by default."""

_PCI_PATH = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}(:[0-9a-f]{2}\.[0-7])+/[^/]+$")


def header(
    found: SectionHeader,
    offset: int,
    profile: Profile,
    capabilities: Collection[str],
    described: Collection[tuple[str, int]],
) -> Iterator[Trouble]:
    """Is there a device for this section, and does it know this version? ``described``: (idstr, instance) of the
    devices in the stream's own description."""
    kind = device_of(found.idstr)
    if not takes(found, kind, profile, described):
        if found.type == framing.SECTION_START and ITERATIVE in capabilities:
            yield Trouble(
                "needs-iterative",
                {},
                offset=offset,
                severity=Severity.INFO,
                level=Level.STREAM,
                words=f"'{found.idstr}' comes while the guest runs: only a QEMU with the RFC's capability {ITERATIVE} "
                "takes that",
            )
        else:
            yield unknown(found, offset, _where_else(found.idstr, kind, profile))
        return
    if kind is not None:
        yield from version(SECTIONS[kind][0], found, offset)


def unknown(found: SectionHeader, offset: int, hint: str | None = None) -> Trouble:
    """There is no such device here."""
    values = {"idstr": found.idstr, "instance": found.instance_id}
    return Trouble("unknown-section", values, offset=offset, level=Level.STREAM, stops=True, hint=hint)


def takes(found: SectionHeader, kind: str | None, profile: Profile, described: Collection[tuple[str, int]]) -> bool:
    """Is there a device for a section of that name and instance?"""
    idstr, instance = found.idstr, found.instance_id
    if kind is not None and profile.devices:
        if profile.device(idstr) is not None:
            return instance in (0, ANY_INSTANCE)
        # The bare name is accepted with the number that the device has among its kind (qemu: find_se).
        same = [device for device in profile.devices if device.kind == kind]
        return idstr == kind and instance < len(same)
    if idstr == RAM:
        return instance == 0
    if idstr == "slirp" and profile.command is not None and _NETWORK.search(profile.command):
        return bool(_USER.search(profile.command))
    if profile.complete and _PCI_PATH.match(idstr):
        return idstr in profile.others or profile.device(idstr) is not None
    if found.type == framing.SECTION_START and described:
        return bool(_LIVE.match(idstr)) or any(name == idstr for name, _ in described)
    return True


def _where_else(idstr: str, kind: str | None, profile: Profile) -> str | None:
    same = [device.idstr for device in profile.devices if device.kind == kind]
    if kind is None:
        return None
    if not same:
        return f"the destination has no {kind}"
    return f"the destination has its {kind} at {', '.join(same)}: give it the same PCI address (addr=, bus=)"


def version(vmsd: Vmsd, found: SectionHeader, offset: int) -> Iterator[Trouble]:
    version = found.version_id
    if version > vmsd.version:
        values = {"version": _signed(version), "idstr": found.idstr, "local": vmsd.version}
        yield Trouble("unsupported-version", values, offset=offset, level=Level.STREAM, stops=True)
    elif version < vmsd.minimum_version:
        values = {"vmsd": vmsd.name, "version": version, "minimum": vmsd.minimum_version}
        yield Trouble("vmstate-too-old", values, offset=offset, level=Level.SECTION, stops=True)


def _signed(value: int) -> int:
    """As QEMU prints a version."""
    return value - (1 << 32) if value >> 31 else value


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
