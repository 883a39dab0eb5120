"""Releases compare as numbers; one that was not watched is taken for the one before it."""

from __future__ import annotations

import pytest

from vnetmig.analysis.release import WATCHED, Release


@pytest.mark.parametrize(
    ("release", "version", "expected"),
    [
        ("7.2", "7.2", True),
        ("7.2.22", "7.2", True),
        ("10.0.2", "10.0.3", False),
        ("10.0", "9.1", True),
        ("5.2", None, True),
    ],
)
def test_since(release: str, version: str | None, expected: bool) -> None:
    assert Release.parse(release).since(version) is expected


@pytest.mark.parametrize(
    ("release", "taken_for"),
    [
        ("7.4", "7.2"),
        ("9.1", "7.2"),
        ("10.1", "10.0.13"),
        ("12.0", "11.1"),
        ("4.2", "5.2"),
        *zip(WATCHED, WATCHED, strict=True),
    ],
)
def test_taken_for(release: str, taken_for: str) -> None:
    found = Release.parse(release)
    assert str(found.taken_for) == taken_for
    assert found.watched is (release in WATCHED)
