"""Sections that nothing speaks against are not made: what is found is the same as when each of them is looked at."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fleet_files import STREAMS, of_kind, refused_bytes, sample_bytes

import vnetmig
from vnetmig.analysis.profile.from_stream import profile_of
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import WATCHED

NAMES = sorted(path.name for path in STREAMS.iterdir() if path.is_dir())


def both_ways(data: bytes, profile: Profile | None, release: str, engine: str | None = None) -> vnetmig.CheckResult:
    quick = vnetmig.load(data, partial=True, engine=engine)
    found = vnetmig.check(quick, profile, qemu=release, engine=engine)
    slow = vnetmig.load(data, partial=True, engine=engine)
    assert slow.sections is not None  # now there are no rows any more
    again = vnetmig.check(slow, profile, qemu=release, engine=engine)
    assert list(found) == list(again)
    assert (found.verdict, found.against, found.assumed) == (again.verdict, again.against, again.assumed)
    return found


WHOLE_RAM = 8 << 20
"""Bytes from which a stream has a guest's RAM in it: one release is enough then."""


@pytest.mark.parametrize("name", NAMES)
def test_streams(name: str, engine: str) -> None:
    data = lzma.decompress((STREAMS / name / "stream.bin.xz").read_bytes())
    profile = profile_of(vnetmig.load(data, partial=True))
    for release in WATCHED:
        both_ways(data, None, release, engine)
        both_ways(data, profile, release, engine)


def test_captures(capture: Path) -> None:
    file = next(path for path in (capture / "stream.bin.xz", capture / "stream.bin") if path.exists())
    data = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
    for release in WATCHED if len(data) < WHOLE_RAM else WATCHED[-1:]:
        both_ways(data, None, release)


def renamed(data: bytes) -> bytes:
    """A device that the description does not have."""
    return data.replace(b"\x05timer", b"\x05times", 1)


def newer(data: bytes) -> bytes:
    """A device whose section is of a later version than the description says."""
    name = b"0000:00:01.3/piix4_pm"
    at = data.index(name) + len(name) + 4
    version = int.from_bytes(data[at : at + 4], "big")
    return data[:at] + (version + 1).to_bytes(4, "big") + data[at + 4 :]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("change", [bytes, renamed, newer, cut])
def test_refusals(change: Callable[[bytes], bytes]) -> None:
    data = change(sample_bytes())
    for release in WATCHED:
        found = both_ways(data, None, release)
        if change is not bytes:
            assert not found.loads
    assert not both_ways(refused_bytes(), None, "10.0.13").loads


def test_a_device_that_the_destination_does_not_have() -> None:
    own = profile_of(vnetmig.load(sample_bytes()))
    without = replace(own, complete=True, others=tuple(name for name in own.others if "piix4_pm" not in name))
    found = both_ways(sample_bytes(), without, "10.0.13")
    assert found.refusing is not None and found.refusing.rule == "unknown-section"
    assert both_ways(sample_bytes(), replace(own, complete=True), "10.0.13").loads


def test_nothing_is_made_of_a_stream_that_loads() -> None:
    """And nothing is kept of one stream that another would be told."""
    stream = vnetmig.load(of_kind(1))
    assert vnetmig.check(stream, qemu="10.0.13").loads
    assert stream._rows
    assert vnetmig.check(newer(of_kind(1)), qemu="10.0.13").verdict == "refused"
    assert vnetmig.check(of_kind(1), qemu="10.0.13").loads
