"""The rows and columns of a matrix: each profile on each QEMU release, and as each machine type where it leaves that
open.

Knows which releases and machine types a matrix is made over, and which of them cannot be started at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vnetmig.analysis.profile.known_types import lacks
from vnetmig.analysis.profile.machine_type import machine_type
from vnetmig.analysis.profile.on_release import on_release
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.profile.properties import KINDS, Settings
from vnetmig.analysis.release import WATCHED, Release
from vnetmig.document.stream import Stream


@dataclass(frozen=True)
class Place:
    """One row or column. ``name``: what people called the profile; ``stream``: of a row that is one saved stream."""

    name: str
    profile: Profile  #: of a row as it is there, of a column as it was given
    release: Release
    machine: str | None  #: None: what it is follows from the other side
    stream: Stream | None = None

    @property
    def assumed(self) -> tuple[str, ...]:
        """In words; not what an alias is taken for, as that is what the rows are made over."""
        words = [word for word in self.profile.assumed if not (is_open(self.profile) and "machine type" in word)]
        own = [f"{device.idstr}: {word}" for device in self.profile.devices for word in device.assumed]
        return (*words, *own)


def releases_of(profile: Profile, asked: Sequence[Release]) -> tuple[Release, ...]:
    """``asked``, or else those that were watched and the profile's own, oldest first."""
    if asked:
        return tuple(dict.fromkeys(asked))
    own, watched = profile.qemu, [Release.parse(text) for text in WATCHED]
    same = [one for one in watched if (one.major, one.minor) == (own.major, own.minor)]
    if not same:
        return tuple(sorted([*watched, own]))
    if own.stable and own not in same and not any(one.stable for one in same):
        return tuple(sorted([*(set(watched) - set(same)), own]))  # "7.2" is a 7.2 whose stable release nobody said
    return tuple(sorted({*watched, own} if own.stable else watched))


def columns_of(name: str, profile: Profile, releases: Iterable[Release]) -> Iterator[Place]:
    """``profile`` as a destination on each release."""
    fixed = None if is_open(profile) else profile.machine
    for release in releases:
        yield Place(name, profile, release, fixed)


def rows_of(name: str, profile: Profile, releases: Sequence[Release]) -> tuple[list[Place], list[str]]:
    """``profile`` as a source on each release, and why others are no rows: a QEMU that cannot be started sends
    nothing."""
    if not profile.devices and not profile.others:
        return [], [f"{name}: no source, as it says nothing of any device"]
    rows: list[Place] = []
    words: list[str] = []
    for release in releases:
        for machine in _machines(profile, release, releases):
            there = on_release(profile, release, machine)
            why = lacks(release, there.machine) or next(not_started(there), None)
            if why is None:
                rows.append(Place(name, there, release, there.machine))
            else:
                words.append(f"{name} on QEMU {release}: no source, {why}")
    return sorted(rows, key=lambda row: machine_type(row.machine, row.release).version or ()), words


def row_of_stream(name: str, profile: Profile, stream: Stream) -> Place:
    return Place(name, profile, profile.qemu, stream.machine, stream)


def not_started(profile: Profile) -> Iterator[str]:
    """Why its QEMU would not start with these options."""
    machine = machine_type(profile.machine or "none", profile.qemu)
    unknown: dict[str, list[str]] = {}
    for device in profile.devices:
        if device.kind in KINDS:
            settings = Settings(device.kind, machine, profile.qemu, device.properties)
            unknown.setdefault(device.kind, []).extend(settings.unknown())
    for kind, names in unknown.items():
        if names:
            yield f"QEMU {profile.qemu} has no property {', '.join(dict.fromkeys(names))} of {kind}"


def is_open(profile: Profile) -> bool:
    """Does its command line leave the version of the machine type to QEMU?"""
    if profile.command is None:
        return False
    return len({on_release(profile, Release.parse(text)).machine for text in WATCHED}) > 1


def _machines(profile: Profile, release: Release, releases: Iterable[Release]) -> list[str | None]:
    """What the machine type may be on ``release``: an alias was the newest type of the QEMU that the guest was first
    started by, and has been carried along since."""
    if not is_open(profile):
        return [None]
    named = dict.fromkeys(on_release(profile, one).machine for one in releases)
    return [machine for machine in named if machine is not None and lacks(release, machine) is None]
