"""Machine types: which board, which version of it, and what `pc` means to a QEMU.

Knows names; what depends on a machine type is in the tables that ask for its version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from vnetmig.analysis.release import Release

Version = tuple[int, ...]

_NAME = re.compile(r"pc-(i440fx|q35)-(\d+(?:\.\d+)+)")
_OLD_NAME = re.compile(r"pc-(\d+\.\d+)")  # pc-1.0 ... pc-1.3
_OTHER_BOARD = re.compile(r"[a-z][\w-]*-(\d+\.\d+)")  # virt-10.0, pseries-7.2, s390-ccw-virtio-8.1
_VENDOR = re.compile(r"pc-(i440fx|q35)-([a-z]+)")

# Distributions' own types whose version is public knowledge: Ubuntu names its types after the release.
#   type's word   QEMU it comes from
_VENDOR_VERSION = {
    "bionic": "2.11",
    "focal": "4.2",
    "jammy": "6.2",
    "noble": "8.2",
    "plucky": "9.2",
}

_ALIASES = {"pc": "i440fx", "q35": "q35"}


def version_of(text: str) -> Version:
    """A version as numbers: "4.0.1" is (4, 0, 1), which is later than (4, 0)."""
    return tuple(map(int, text.split(".")))


@dataclass(frozen=True, slots=True)
class MachineType:
    """One machine type. ``version``: whose compatibility settings it takes; None, the newest there are."""

    name: str
    board: str  #: "i440fx", "q35", "microvm", or "" for any other
    version: Version | None
    assumed: tuple[str, ...] = ()

    def before(self, version: str) -> bool:
        """Is it older than ``version``, so that it takes that version's compatibility settings?"""
        return self.version is not None and self.version < version_of(version)


@lru_cache(maxsize=256)
def machine_type(name: str | None, release: Release | None) -> MachineType:
    """The type called ``name``, as QEMU ``release`` knows it; None is the one it takes without -machine.

    >>> machine_type("q35", Release.parse("7.2")).name
    'pc-q35-7.2'
    """
    if name is None or name in _ALIASES:
        board = _ALIASES[name or "pc"]
        said = f"machine type {name!r}" if name else "no machine type given"
        if release is None:
            return MachineType(name or "pc", board, None, (f"{said}: of a QEMU that is not known",))
        full = f"pc-{board}-{release.major}.{release.minor}"
        return MachineType(full, board, (release.major, release.minor), (f"{said}: {full} in QEMU {release}",))
    if (found := _NAME.fullmatch(name)) is not None:
        return _versioned(name, found[1], found[2], release)
    if (found := _OLD_NAME.fullmatch(name)) is not None:
        return _versioned(name, "i440fx", found[1], release)
    if (found := _VENDOR.match(name)) is not None:
        known = _VENDOR_VERSION.get(found[2])
        if known is not None:
            return MachineType(name, found[1], version_of(known), (f"machine type {name}: as {known}",))
        said = f"machine type {name} of a distribution: as the newest of its QEMU"
        return MachineType(name, found[1], _newest(release), (said,))
    if (found := _OTHER_BOARD.fullmatch(name)) is not None:
        return _versioned(name, "", found[1], release)
    return MachineType(name, "microvm" if name == "microvm" else "", _newest(release))


def _versioned(name: str, board: str, text: str, release: Release | None) -> MachineType:
    version = version_of(text)
    newer = release is not None and version[:2] > (release.major, release.minor)
    said = (f"QEMU {release} has no machine type {name}: it would not start",) if newer else ()
    return MachineType(name, board, version, said)


def _newest(release: Release | None) -> Version | None:
    return None if release is None else (release.major, release.minor)


def release_of(name: str) -> Release | None:
    """The oldest release that can have the machine type: that of its version, if it says one."""
    version = machine_type(name, None).version
    return None if version is None else Release(version[0], version[1])
