"""A profile in text: what is known, and what is not."""

from __future__ import annotations

from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.release import Release
from vnetmig.report.profile import profile_blocks
from vnetmig.report.text import plain

NET = "0000:00:03.0/virtio-net"


def lines(profile: Profile) -> list[str]:
    return [" ".join(line.split()) for line in plain(profile_blocks(profile))]


def test_capabilities_as_they_were_asked_for() -> None:
    some = Profile(Release.parse("10.0.2"), capabilities=frozenset({"return-path", "events"}))
    assert "capabilities events, return-path" in lines(some)
    assert "capabilities none" in lines(Profile(Release.parse("10.0.2"), capabilities=frozenset()))
    assert "capabilities as the stream's" in lines(Profile(Release.parse("10.0.2")))


def test_a_device_of_which_little_is_known() -> None:
    told = lines(Profile(Release.parse("10.0.2"), devices=(DeviceProfile(NET, "virtio-net"),)))
    assert any(line.startswith(f"{NET} - - - - -") for line in told)


def test_nothing_assumed() -> None:
    assert "Assumed:" not in lines(Profile(Release.parse("10.0.2")))
