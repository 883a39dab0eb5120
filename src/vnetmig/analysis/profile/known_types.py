"""Which machine types a QEMU release knows: none newer than itself, and not those that it has dropped.

Knows releases and names; what a machine type means for a device is in the tables that ask for its version. Of types of
a distribution, and of boards whose types are not tied to a release, nothing is known here: they are taken to be there.
"""

from __future__ import annotations

from vnetmig.analysis.profile.machine_type import MachineType, Version, machine_type, version_of
from vnetmig.analysis.release import Release

YEARS_KEPT = 6
DROPPED_BY_AGE = "10.1"
"""From this release on a type of ``YEARS_KEPT`` major versions ago is not there any more (qemu: include/hw/boards.h:
MACHINE_VER_DELETION; before it the rule was suspended)."""

#   board     no types before  from release   (qemu: docs/about/removed-features.rst)
_DROPPED: tuple[tuple[str, str, str], ...] = (
    ("q35", "2.4", "2.4"),
    ("i440fx", "1.4", "6.0"),
    ("i440fx", "2.0", "8.2"),
    ("i440fx", "2.4", "9.1"),
)

_BOARDS = ("i440fx", "q35")


def lacks(release: Release, name: str | None) -> str | None:
    """Why QEMU ``release`` has no machine type ``name``; None when it has it, or when nobody can tell.

    >>> lacks(Release.parse("5.2"), "pc-i440fx-7.2")
    'pc-i440fx-7.2 came with QEMU 7.2'
    >>> lacks(Release.parse("11.1"), "pc-q35-5.1")
    'QEMU 11.1 has dropped it: its oldest is pc-q35-5.2'
    """
    found = _versioned(name)
    if found is None or found.version is None:
        return None
    if found.version[:2] > (release.major, release.minor):
        return f"{name} came with QEMU {found.version[0]}.{found.version[1]}"
    oldest = _oldest(release, found.board)
    if oldest is not None and found.version < oldest:
        kept = ".".join(map(str, oldest))
        return f"QEMU {release} has dropped it: its oldest is pc-{found.board}-{kept}"
    return None


def _versioned(name: str | None) -> MachineType | None:
    """A type of one of the two PC boards whose name is QEMU's own and says a version."""
    if name is None:
        return None
    found = machine_type(name, None)
    return found if found.board in _BOARDS and not found.assumed else None


def _oldest(release: Release, board: str) -> Version | None:
    """The oldest version whose type the release has; None: nothing is known to be dropped."""
    kept = [version_of(least) for of, least, since in _DROPPED if of == board and release.since(since)]
    if release.since(DROPPED_BY_AGE):
        kept.append(_next(release.major - YEARS_KEPT, release.minor))
    return max(kept, default=None)


def _next(major: int, minor: int) -> Version:
    """The version behind one: three a year, x.0 to x.2."""
    return (major, minor + 1) if minor < 2 else (major + 1, 0)
