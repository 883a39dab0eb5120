"""Machine types: aliases, versions, and types of distributions."""

from __future__ import annotations

import pytest

from vnetmig.analysis.profile.machine_type import machine_type, release_of
from vnetmig.analysis.release import Release


@pytest.mark.parametrize(
    ("name", "release", "full", "board", "version"),
    [
        (None, "7.2.22", "pc-i440fx-7.2", "i440fx", (7, 2)),
        ("pc", "10.0.13", "pc-i440fx-10.0", "i440fx", (10, 0)),
        ("q35", "5.2", "pc-q35-5.2", "q35", (5, 2)),
        ("pc-q35-4.0.1", "7.2", "pc-q35-4.0.1", "q35", (4, 0, 1)),
        ("pc-1.3", "5.2", "pc-1.3", "i440fx", (1, 3)),
        ("pc-q35-jammy-hpb", "8.2", "pc-q35-jammy-hpb", "q35", (6, 2)),
        ("pc-i440fx-rhel7.6.0", "6.2", "pc-i440fx-rhel7.6.0", "i440fx", (6, 2)),
        ("microvm", "7.2", "microvm", "microvm", (7, 2)),
        ("virt-8.1", "9.0", "virt-8.1", "", (8, 1)),
        ("SS-5", "9.0", "SS-5", "", (9, 0)),
    ],
)
def test_names(name: str | None, release: str, full: str, board: str, version: tuple[int, ...]) -> None:
    made = machine_type(name, Release.parse(release))
    assert (made.name, made.board, made.version) == (full, board, version)


def test_what_is_assumed_is_said() -> None:
    release = Release.parse("8.2")
    assert "pc-q35-8.2 in QEMU 8.2" in machine_type("q35", release).assumed[0]
    assert "6.2" in machine_type("pc-q35-jammy", release).assumed[0]
    assert "distribution" in machine_type("pc-q35-rhel9.4.0", release).assumed[0]
    assert not machine_type("pc-q35-7.2", release).assumed
    assert "it would not start" in machine_type("pc-q35-9.0", release).assumed[0]


def test_before() -> None:
    made = machine_type("pc-q35-4.0.1", Release.parse("7.2"))
    assert made.before("4.1") and not made.before("4.0") and not made.before("4.0.1")


def test_the_oldest_release_of_a_type() -> None:
    assert release_of("pc-q35-10.1") == Release(10, 1)
    assert release_of("q35") is None and release_of("none") is None
