"""Imagined streams are such as their own QEMU takes: no destination is blamed for what was imagined wrongly."""

from __future__ import annotations

import pytest
from machines import TAP, USER, machine, tap
from recorded_offers import addresses, offers, profile_of_start

import vnetmig
from vnetmig.analysis.finding import Severity
from vnetmig.analysis.matrix.imagined import guests_of
from vnetmig.analysis.matrix.matrix import matrix
from vnetmig.analysis.release import WATCHED, Release
from vnetmig.document.net import NetDevice
from vnetmig.document.stream import Stream
from vnetmig.model.properties import VERSION_1
from vnetmig.virtio.section import SECTIONS

ALL_KINDS = (
    "-device virtio-serial-pci -device virtio-balloon-pci,free-page-hint=on -device virtio-rng-pci"
    " -device virtio-scsi-pci -blockdev driver=null-co,node-name=d0 -device virtio-blk-pci,drive=d0,packed=on"
)
EVERY_NTH = 20
"""Of the recorded starts."""

STARTS = [*addresses(), *offers()[::EVERY_NTH]]


@pytest.mark.parametrize("start", STARTS, ids=lambda start: f"{start['qemu']}-{start['machine']}")
def test_a_machine_takes_what_it_sends(start: dict[str, object]) -> None:
    """Real command lines of five releases, on their own release."""
    profile = profile_of_start(start)
    found = matrix({"own": profile}, qemu=[profile.qemu])
    for cell in found:
        wrong = [one.finding for one in cell.found if one.finding.rule != "vlan-lost"]
        assert wrong == []


@pytest.mark.parametrize("release", WATCHED)
def test_every_device_comes_in_both_streams(release: str, engine: str) -> None:
    profile = machine(f"{tap(4, ',rss=on,packed=on')} {ALL_KINDS}", "pc", release)
    guests = guests_of(profile)
    for stream in (guests.most, guests.least):
        again = vnetmig.load(stream.encode(), engine=engine)
        assert again.error is None and again.machine == profile.machine
        assert [section.idstr for section in again.sections] == [one.idstr for one in profile.devices]
        assert {section.idstr.rpartition("/")[2] for section in again.sections} == set(SECTIONS)


def net(stream: Stream) -> NetDevice:
    return stream.device("virtio-net")


def test_one_guest_uses_everything_and_one_nothing() -> None:
    profile = machine(tap(4, ",rss=on"), "pc-i440fx-7.2")
    guests = guests_of(profile)
    most, least = net(guests.most), net(guests.least)
    assert most.record["curr_queue_pairs"] == 4 and least.record["curr_queue_pairs"] == 1
    assert most.guest_features == profile.devices[0].host_features and not least.guest_features
    assert most.record["rss.enabled"] == 1 and "rss.#version" not in least.record
    assert most.vlans == {2, 5}


def test_a_device_without_a_legacy_interface_has_a_modern_driver() -> None:
    guests = guests_of(machine(f"{USER},disable-legacy=on"))
    assert net(guests.least).guest_features == VERSION_1


def test_a_legacy_device_has_32_features() -> None:
    guests = guests_of(machine(f"{TAP.format(queues='')},disable-modern=on", "pc-i440fx-11.1", "11.1"))
    assert net(guests.most).guest_features < 1 << 32


def test_rings_are_as_the_release_makes_them() -> None:
    for release, size in (("10.0.2", 256), ("10.0.13", 1024)):
        assert net(guests_of(machine(USER, release=release)).least).queues[0].num == size


@pytest.mark.parametrize(("release", "version"), [("10.0.2", 1), ("10.2", 2), ("11.1", 2)])
def test_the_rss_subsection_is_as_the_release_sends_it(release: str, version: int) -> None:
    guests = guests_of(machine(tap(2, ",rss=on"), release=release))
    assert net(guests.most).record["rss.#version"] == version


def test_a_check_of_them_needs_no_memory() -> None:
    profile = machine(USER, release="11.1")
    result = vnetmig.check(guests_of(profile).most, profile)
    assert result.worst == Severity.INFO and Release.parse(result.qemu) == profile.qemu
