"""Whole matrices: which rows and columns there are, and what each kind of difference comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from machines import USER, cell, machine, rules, tap

import vnetmig
from vnetmig.analysis.matrix.cell import Outcome
from vnetmig.analysis.matrix.matrix import Matrix
from vnetmig.analysis.matrix.place import releases_of
from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release
from vnetmig.errors import FieldError


def two(source: str, destination: str, kind: str = "pc-i440fx-7.2", *, qemu: str = "10.0.2") -> Matrix:
    profiles = {"here": machine(source, kind), "there": machine(destination, kind)}
    return vnetmig.matrix(profiles, qemu=[qemu])


#   here                       there                        outcome, and (rule, which guests) of it
DIFFERENCES: list[tuple[str, str, Outcome, list[tuple[str, str | None]]]] = [
    (USER, USER, Outcome.WORKS, []),
    (tap(4, ",vectors=10"), tap(2, ",vectors=10"), Outcome.REFUSED, [("max-queue-pairs", None)]),
    (
        f"{USER},ctrl_rx_extra=on",
        f"{USER},ctrl_rx_extra=off",
        Outcome.UNLESS,
        [("features-unsupported", "the guest negotiated VIRTIO_NET_F_CTRL_RX_EXTRA")],
    ),
    (
        f"{USER},ctrl_rx_extra=off",
        USER,
        Outcome.FAILS_BACK,
        [("features-after-reboot", None)],
    ),
    (f"{USER},vectors=4", f"{USER},vectors=6", Outcome.REFUSED, [("pci-config", None)]),
    (USER, f"{USER},disable-legacy=on", Outcome.REFUSED, [("pci-config", None)]),
    (USER, f"{USER},addr=7", Outcome.REFUSED, [("unknown-section", None)]),
    (f"{USER} -device usb-ehci", USER, Outcome.REFUSED, [("unknown-section", None)]),
    (f"{USER} -device virtio-gpu-pci", USER, Outcome.REFUSED, [("unknown-section", None)]),
    (USER, f"{USER} -device virtio-rng-pci", Outcome.BROKEN, [("device-missing", None)]),
    (f"{USER} -device virtio-gpu-pci", f"{USER} -device virtio-gpu-pci", Outcome.WORKS, []),
]


@pytest.mark.parametrize(("here", "there", "outcome", "expected"), DIFFERENCES)
def test_differences(here: str, there: str, outcome: Outcome, expected: list[tuple[str, str | None]]) -> None:
    found = cell(two(here, there), "here@10.0.2", "there@10.0.2")
    assert found.outcome == outcome
    assert rules(found)[: len(expected)] == expected and bool(found.found) == bool(expected)


def test_what_prevents_failing_back() -> None:
    found = cell(two(f"{USER},ctrl_rx_extra=off,guest_announce=off", USER), "here@10.0.2", "there@10.0.2")
    assert found.worst is not None
    assert found.worst.finding.hint == "start the destination with ctrl_rx_extra=off, guest_announce=off"


def test_each_machine_type_of_an_alias_is_a_row() -> None:
    found = vnetmig.matrix([machine(USER, "q35")], qemu=["7.2", "10.0.2", "11.1"])
    rows = [(place.machine, str(place.release)) for place in found.sources]
    assert rows == [
        ("pc-q35-7.2", "7.2"),
        ("pc-q35-7.2", "10.0.2"),
        ("pc-q35-7.2", "11.1"),
        ("pc-q35-10.0", "10.0.2"),
        ("pc-q35-10.0", "11.1"),
        ("pc-q35-11.1", "11.1"),
    ]
    assert [(place.machine, str(place.release)) for place in found.destinations] == [
        (None, "7.2"),
        (None, "10.0.2"),
        (None, "11.1"),
    ]
    assert len(found.cells) == len(list(found)) == 18


def test_a_qemu_that_cannot_be_started_sends_nothing() -> None:
    """Neither without the machine type nor without a property; as a destination it is refused."""
    found = vnetmig.matrix({"vm": machine(f"{USER},queue_reset=off")}, qemu=["5.2", "7.2"])
    assert [str(place.release) for place in found.sources] == ["7.2"]
    assert found.words == ("vm on QEMU 5.2: no source, pc-i440fx-7.2 came with QEMU 7.2",)
    old = vnetmig.matrix({"vm": machine(f"{USER},queue_reset=off", "pc-i440fx-5.2")}, qemu=["5.2", "7.2"])
    assert old.words == ("vm on QEMU 5.2: no source, QEMU 5.2 has no property queue_reset of virtio-net",)
    assert rules(cell(old, "7.2", "5.2")) == [("property-unknown", None)]


@pytest.mark.parametrize(
    ("release", "said"),
    [("7.2", "unsupported machine type"), ("10.0.2", 'unsupported machine type: "pc-i440fx-11.1"')],
)
def test_a_missing_machine_type_is_said_as_qemu_does(release: str, said: str) -> None:
    found = vnetmig.matrix([machine(USER, "pc-i440fx-11.1")], qemu=[release, "11.1"])
    worst = cell(found, "11.1", release).worst
    assert worst is not None and worst.finding.message == said and not worst.finding.chain


def test_rss_of_a_later_release() -> None:
    found = vnetmig.matrix([machine(tap(2, ",rss=on"))], qemu=["10.0.2", "11.1"])
    assert ("vmstate-too-new", "the guest has receive-side scaling on") in rules(cell(found, "11.1", "10.0.2"))
    assert cell(found, "10.0.2", "11.1").outcome == Outcome.WORKS


def test_tunnel_features_of_a_later_release() -> None:
    """The subsection goes by what the source offers: no guest gets back."""
    newer = replace(machine(tap(1), "pc-i440fx-11.1", "11.1"), machine="pc-i440fx-7.2", command=None)
    found = vnetmig.matrix({"new": newer, "old": machine(tap(1))}, qemu=["7.2", "11.1"])
    assert rules(cell(found, "new@11.1", "old@7.2")) == [("subsection-unknown", None)]


def test_a_host_starts_the_sources_own_devices() -> None:
    host = Profile(Release(11, 1), host=Host(vnet_hdr=True, ufo=True, uso=False, tunnel=False), origin="host")
    source = machine(tap(1), "pc-i440fx-10.0", "10.0.2")
    found = vnetmig.matrix({"vm": source, "host": host}, qemu=["10.0.2"])
    assert [place.name for place in found.sources] == ["vm"]
    verdict = cell(found, "vm@10.0.2", "host@10.0.2").verdict
    assert verdict.startswith("works unless the guest negotiated VIRTIO_NET_F_GUEST_USO4, ")


def test_streams_are_the_sources() -> None:
    stream = vnetmig.load(vnetmig.sample())
    found = vnetmig.matrix({"vm": machine(tap(4), "pc-i440fx-10.0")}, streams={"s": stream}, qemu=["10.0.13", "11.1"])
    (source,) = found.sources
    assert (source.name, source.machine, str(source.release)) == ("s", "pc-i440fx-10.0", "10.0.13")
    expected = [vnetmig.check(stream, machine(tap(4), "pc-i440fx-10.0"), qemu=one).loads for one in ("10.0.13", "11.1")]
    assert [one.loads for one in found] == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("7.2", "5.2 7.2 10.0.2 10.0.13 11.1"),
        ("7.2.22", "5.2 7.2.22 10.0.2 10.0.13 11.1"),
        ("10.0", "5.2 7.2 10.0.2 10.0.13 11.1"),
        ("10.0.5", "5.2 7.2 10.0.2 10.0.5 10.0.13 11.1"),
        ("9.2", "5.2 7.2 9.2 10.0.2 10.0.13 11.1"),
    ],
)
def test_the_releases_of_a_profile(own: str, expected: str) -> None:
    profile = Profile(Release.parse(own))
    assert " ".join(map(str, releases_of(profile, []))) == expected
    assert list(map(str, releases_of(profile, [Release.parse("8.1")] * 2))) == ["8.1"]


def test_nothing_to_compare() -> None:
    with pytest.raises(FieldError, match=r"no source.*\nnobody: no source"):
        vnetmig.matrix({"nobody": Profile(Release(7, 2))})


def test_too_much_to_compare() -> None:
    with pytest.raises(FieldError, match="at most 20000 pairs"):
        vnetmig.matrix([machine(USER)], qemu=[f"10.0.{number}" for number in range(200)])


def test_progress_counts_every_cell() -> None:
    seen: list[tuple[int, int]] = []
    vnetmig.matrix([machine(USER)], qemu=["7.2", "11.1"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 4) for number in range(1, 5)]
