"""`check`: a saved stream against a destination, before anybody migrates.

Knows the order of a load, section by section; each rule is in a module of its own. Pure: reads the decoded stream and
the profile, changes neither.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from vnetmig.analysis.check import (
    board_rules,
    command_rules,
    ending_rules,
    opening_rules,
    other_rules,
    ram_rules,
    stream_rules,
)
from vnetmig.analysis.check.device_rules import device_troubles
from vnetmig.analysis.check.guest_ram import GuestRam, guest_ram
from vnetmig.analysis.check.trouble import Trouble, finding
from vnetmig.analysis.finding import CheckResult, Finding, Severity
from vnetmig.analysis.profile.from_stream import OfStream
from vnetmig.analysis.profile.on_release import on_release
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.release import Release
from vnetmig.document.load import Source, load
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.errors import StreamError
from vnetmig.stream.events import Eof
from vnetmig.stream.row import SectionRow
from vnetmig.virtio.section import device_of


def check(
    stream: Stream | Source,
    against: Profile | OfStream | None = None,
    *,
    qemu: str | Release | None = None,
    source: Profile | OfStream | None = None,
    engine: str | None = None,
) -> CheckResult:
    """Every finding of a destination's load rules on ``stream``, in load order.

    ``stream``: a loaded stream (``partial=True`` if it may be broken), or what ``load`` takes. ``against``: the
    destination; None or ``OfStream``: a destination made as the stream's own device was. ``qemu``: its release, when it
    is not the profile's. ``source``: the profile of where the stream comes from, for what only shows after a reboot.

    >>> import vnetmig
    >>> result = vnetmig.check(vnetmig.sample(), qemu="11.1")
    >>> result.verdict, result[0].message
    ('refused', 'VQ 0 vring.num 1024 exceeds allocated max 128')
    """
    document = stream if isinstance(stream, Stream) else load(stream, partial=True, engine=engine)
    release = Release.parse(qemu) if isinstance(qemu, str) else qemu
    destination = OfStream() if against is None else against
    if isinstance(destination, Profile):
        made = on_release(destination, release or destination.qemu, document.machine)
    else:
        made = destination.of(document, release)
    return _checked(document, made, source.of(document) if isinstance(source, OfStream) else source, engine)


def _checked(document: Stream, profile: Profile, source: Profile | None, engine: str | None) -> CheckResult:
    release = profile.qemu
    found: list[Finding] = []
    is_over = False
    for trouble, section in _troubles(document, profile, release, source, engine):
        idstr, instance = (section.idstr, section.instance_id) if section is not None else (None, 0)
        made = finding(trouble, release, idstr, instance)
        found.append(replace(made, follows=True) if is_over else made)
        is_over = is_over or made.severity >= Severity.REFUSED
    return CheckResult(found, str(release), profile.origin, profile.assumptions)


def _troubles(
    stream: Stream, profile: Profile, release: Release, source: Profile | None, engine: str | None
) -> Iterator[tuple[Trouble, Section | None]]:
    for trouble in opening_rules.opening(stream, profile):
        yield trouble, None
        if trouble.stops:
            return
    described = _described(stream)
    capabilities = stream.capabilities if profile.capabilities is None else profile.capabilities
    commands = command_rules.commands(stream.commands, release)
    ahead = next(commands, None)
    for section in _to_look_at(stream, profile):
        if section.type not in ("start", "full"):
            continue
        while ahead is not None and (ahead.offset or 0) < section.offset:
            yield ahead, None
            if ahead.stops:
                return
            ahead = next(commands, None)
        for trouble in stream_rules.header(section.header, section.offset, profile, capabilities, described):
            yield trouble, section
            if trouble.stops:
                return
        kind = device_of(section.idstr)
        if section.idstr == "ram":
            for trouble in ram_rules.start(stream, section, profile):
                yield trouble, section
                if trouble.stops:
                    return
        elif kind is None or section.type != "full":
            for trouble in other_rules.section(stream, section, described, profile):
                yield trouble, section
                if trouble.stops:
                    return
        if kind is None or section.type != "full":
            continue
        is_read = section.footer is not None or (section.payload is not None and stream.error is None)
        for trouble in device_troubles(
            section,
            _waiting(profile, section.idstr, kind),
            release,
            kind,
            guest_ram(stream, profile),
            lambda section=section: _rest(stream, section),  # type: ignore[misc]
            None if is_read or stream.error is None else stream.error.record,
            is_read=is_read,
            came_from=None if source is None else source.device(section.idstr),
            engine=engine,
        ):
            yield trouble, section
            if trouble.stops:
                return
        if not is_read:
            return
    if ahead is not None:
        yield ahead, None
        if ahead.stops:
            return
    if stream.error is not None and any(isinstance(event, Eof) for event in stream.ends):
        yield stream_rules.description(stream.error, stream.input), None
    elif stream.error is not None:
        last = stream.sections[-1] if stream.sections else None
        if last is not None and last.idstr == "ram" and last.footer is None:
            for trouble in ram_rules.rest(stream, last, profile):
                yield trouble, last
                if trouble.stops:
                    return
        yield ending_rules.broken(stream, stream.error, profile), last
        return
    yield from ((trouble, None) for trouble in ending_rules.behind(stream))
    for trouble in stream_rules.missing_devices(stream, profile):
        yield trouble, None


def _to_look_at(stream: Stream, profile: Profile) -> list[Section]:
    """All sections that a rule may have something to say to. Those of devices that only the stream describes are most
    of it, and mostly as described: then they need not even be made."""
    description = stream.description
    versions = {} if description is None else description.versions
    if versions is None:
        return stream.sections
    found: list[Section] = []
    for piece in stream.unsettled:
        if isinstance(piece, Section):
            found.append(piece)
        elif not _is_quiet(piece, versions, profile, lambda: guest_ram(stream, profile)):
            return stream.sections
    return found


def _is_quiet(
    row: SectionRow,
    versions: Mapping[tuple[str, int, int], int | None],
    profile: Profile,
    memory: Callable[[], GuestRam | None],
) -> bool:
    if versions and not other_rules.is_as_described(row, versions):
        return False
    for place in row.places:
        header = place[0]
        kind = device_of(header.idstr)
        if kind is not None or not stream_rules.takes(header, kind, profile, ()):
            return False
        if not board_rules.is_usual(header, lambda place=place: row.payload(place), memory):  # type: ignore[misc]
            return False
    return True


def _described(stream: Stream) -> Collection[tuple[str, int]]:
    """(idstr, instance) of the devices in the stream's description."""
    description = stream.description
    if description is None:
        return ()
    if description.versions is not None:
        return description.lengths()
    try:
        return frozenset((device.name, device.instance_id) for device in description.devices)
    except StreamError:
        return ()


def _waiting(profile: Profile, idstr: str, kind: str) -> DeviceProfile:
    """The device that takes the section; one of which nothing is known, where the profile does not name devices."""
    found = profile.device(idstr)
    if found is None:
        found = next((device for device in profile.devices if device.kind == kind), None)
    return found or DeviceProfile(idstr, kind)


def _rest(stream: Stream, section: Section) -> bytes:
    """The stream's bytes from the payload of ``section`` on, with what was changed in it."""
    begin = section.payload_span[0]
    if section.payload is None or section.footer is None:
        return bytes(stream.input[begin:])
    return section.encode_payload(section.payload) + bytes(stream.input[section.payload_span[1] :])
