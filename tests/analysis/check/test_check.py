"""`check` as a whole: recorded destinations, machine types that are not there, devices and machines of other kinds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from altered import NET, valid

import vnetmig
from vnetmig.analysis.check.guest_ram import guest_ram
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release

STREAMS = Path(__file__).resolve().parents[2] / "streams"


def load(name: str) -> vnetmig.Stream:
    return vnetmig.load(STREAMS / name / "stream.bin.xz")


def test_a_recorded_profile_on_another_release_has_that_release_s_rings() -> None:
    """As TOML keeps it: without the command line. Real: "VQ 0 vring.num 1024 exceeds allocated max 256"."""
    line = (STREAMS / "linux-tap-4q-rss-q100" / "cmdline.txt").read_bytes()
    recorded = replace(profile_of_command(line, "recorded", Release.parse("10.0.13")), command=None)
    result = vnetmig.check(load("linux-tap-4q-rss-q100"), recorded, qemu="11.1")
    assert result.refusing is not None
    assert result.refusing.message == "VQ 0 vring.num 1024 exceeds allocated max 256"


def test_a_qemu_without_the_machine_type_does_not_start() -> None:
    result = vnetmig.check(load("linux-tap-4q-packed-q111"), qemu="7.2")
    assert result.refusing is not None
    assert (result.refusing.rule, result.refusing.message) == ("machine-type-unsupported", "unsupported machine type")
    assert result.refusing.hint is not None
    assert "pc-i440fx-11.1 came with QEMU 11.1" in result.refusing.hint


@pytest.mark.parametrize("name", ["virtio-mem-q111", "m68k-q800-q72", "pseries-q111", "s390x-fw-q72"])
def test_other_machines_and_devices_load_with_their_own_command_line(name: str) -> None:
    qemu = {"q111": "11.1", "q72": "7.2"}[name.rpartition("-")[2]]
    profile = profile_of_command((STREAMS / name / "cmdline.txt").read_bytes(), name, Release.parse(qemu))
    result = vnetmig.check(load(name), profile, qemu=qemu)
    assert [one.message for one in result if one.severity >= Severity.REFUSED] == []


def test_features_that_leave_rings_without_queues_need_no_memory_to_be_told() -> None:
    """Real 7.2: address_space_cache_init: Assertion `len > 0' failed."""
    made = vnetmig.edit(load("linux-tap-4q-load-q72"), sets=["virtio-net:guest_features=-MQ"], force=True)
    result = vnetmig.check(made.data)
    assert result.worst == Severity.CRASH


@pytest.mark.parametrize(("accepted", "rules"), [(1, ["device-broken"]), (0, [])])
def test_a_modern_driver_without_its_64_feature_bits(accepted: int, rules: list[str]) -> None:
    found = valid("1q", "q72")
    stream = vnetmig.load(found.data)
    device = stream.device(NET)
    device.record.drop("64bit_features")
    device["extra_state.pci.modern_state.gfselect"] = accepted
    device["extra_state.pci.modern_state.guest_features[1]"] = accepted
    assert [one.rule for one in vnetmig.check(stream.encode(), found.profile)] == rules


def test_where_ram_lies_is_known_of_pcs_whose_ram_was_not_moved() -> None:
    found = valid("1q", "q72")
    stream = vnetmig.load(found.data)

    def extents(profile: Profile) -> int:
        ram = guest_ram(stream, profile)
        assert ram is not None
        return len(ram.extents)

    moved = replace(found.profile, command=b"qemu-system-x86_64 -M pc,max-ram-below-4g=1G")
    assert (extents(found.profile), extents(moved)) == (1, 0)


@pytest.mark.parametrize("name", ["num_pages", "actual"])
def test_a_cut_in_a_balloon(name: str) -> None:
    stream = load("linux-multi-q72")
    section = stream.device("virtio-balloon").section
    assert section.record is not None
    (wire,) = (spot.wire for spot in section.record.walk() if spot.path.rpartition(".")[2] == name)
    at = section.payload_span[0] + wire
    line = (STREAMS / "linux-multi-q72" / "cmdline.txt").read_bytes()
    profile = profile_of_command(line, "linux-multi-q72", Release.parse("7.2"))
    refusing = vnetmig.check(stream.encode()[: at + 2], profile).refusing
    assert refusing is not None and refusing.message == f"Failed to load virtio-balloon-device:{name}"


def test_a_stream_made_of_values_has_no_first_bytes_to_look_at() -> None:
    result = vnetmig.check(vnetmig.new_stream("pc-i440fx-7.2"), valid("1q", "q72").profile)
    assert [one.rule for one in result] == ["device-missing"]
