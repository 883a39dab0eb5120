"""A release has the machine types that it lists, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from vnetmig.analysis.profile.known_types import lacks
from vnetmig.analysis.profile.machine_type import version_of
from vnetmig.analysis.release import Release

LISTED = [
    line.split()
    for line in Path(__file__).with_name("machine_types.txt").read_text().splitlines()
    if not line.startswith("#")
]
VERSIONS = (
    *("1.4", "1.7", "2.0", "2.3", "2.4", "2.12", "3.1", "4.0", "4.2", "5.0", "5.1", "5.2", "6.0", "6.2", "7.0", "7.2"),
    *("8.0", "8.2", "9.0", "9.2", "10.0", "10.2", "11.0", "11.1", "11.2"),
)


@pytest.mark.parametrize(("qemu", "board", "oldest", "newest"), LISTED)
def test_as_the_releases_list_them(qemu: str, board: str, oldest: str, newest: str) -> None:
    release = Release.parse(qemu)
    has = [version for version in VERSIONS if lacks(release, f"pc-{board}-{version}") is None]
    expected = [one for one in VERSIONS if version_of(oldest) <= version_of(one) <= version_of(newest)]
    assert has == expected


@pytest.mark.parametrize(
    ("qemu", "name", "has"),
    [
        ("10.0.2", "pc-q35-4.0.1", True),
        ("10.1", "pc-q35-4.0.1", False),
        ("10.1", "pc-i440fx-4.2", True),
        ("11.0", "pc-i440fx-5.0", False),
        ("11.0", "pc-i440fx-5.1", True),
        ("12.0", "pc-i440fx-6.0", False),
        ("12.0", "pc-i440fx-6.1", True),
        ("6.0", "pc-1.3", False),
        ("5.2", "pc-1.3", True),
    ],
)
def test_types_go_by_age(qemu: str, name: str, has: bool) -> None:
    assert (lacks(Release.parse(qemu), name) is None) == has


@pytest.mark.parametrize("name", [None, "microvm", "virt-99.0", "pc-i440fx-noble", "pc-q35-rhel9.4.0", "none"])
def test_of_others_nothing_is_said(name: str | None) -> None:
    assert lacks(Release.parse("5.2"), name) is None
