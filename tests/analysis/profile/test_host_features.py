"""What a device offers: as every recorded QEMU offers it, bit by bit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_streams import COMMITTED, every_capture, truth
from recorded_offers import LEGACY_ONLY, host_features_of, offers, profile_of_start

from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.host_features import Transport, host_features, modern
from vnetmig.analysis.profile.machine_type import machine_type
from vnetmig.analysis.profile.net_backend import Backend, Host
from vnetmig.analysis.profile.properties import KINDS, Settings, properties
from vnetmig.analysis.profile.shape import queue_sizes
from vnetmig.analysis.release import Release
from vnetmig.virtio.features import features, names

RELEASES = sorted({start["qemu"] for start in offers()})


def differences(start: dict[str, Any]) -> Iterator[str]:
    """What of a recorded start its profile has otherwise."""
    profile = profile_of_start(start)
    for idstr, told in start["devices"].items():
        device = profile.device(idstr)
        if device is None or device.host_features is None:
            yield f"{start['argv']}: {idstr} is not in the profile"
            continue
        bits = device.host_features
        seen = {"host_features": bits, "modern_features": bits & ~LEGACY_ONLY, "low_features": bits & 0xFFFFFFFF}
        for key, value in seen.items():
            if key in told and int(told[key], 16) != value:
                wrong = names(device.kind, int(told[key], 16) ^ value)
                yield f"{start['argv']}: {idstr}, {key}: {wrong} are on one side only"
        pairs = told.get("max_queue_pairs", 1)
        expected = {
            "vectors": device.vectors,
            "config_size": device.config_size,
            "config_len": device.config_len,
            "pci_ids": None if device.pci_ids is None else list(device.pci_ids),
            "queue_sizes": None if device.queue_sizes is None else list(device.queue_sizes),
            "has_vnet_hdr": device.has_vnet_hdr,
            "has_ufo": device.has_ufo,
        }
        for key, made in expected.items():
            if key in told and told[key] != made:
                yield f"{start['argv']}: {idstr}, {key}: {made}, and QEMU has {told[key]}"
        if device.kind == "virtio-net" and device.queue_pairs != pairs:
            yield f"{start['argv']}: {idstr}: {device.queue_pairs} pairs, and QEMU has {pairs}"


@pytest.mark.parametrize("release", RELEASES)
def test_as_recorded(release: str) -> None:
    starts = [start for start in offers() if start["qemu"] == release]
    assert len(starts) > 50
    assert not [line for start in starts for line in differences(start)]


def test_the_comparison_sees_a_wrong_bit() -> None:
    start = next(s for s in offers() if "host_features" in s["devices"].get("0000:00:02.0/virtio-net", {}))
    told = dict(start["devices"]["0000:00:02.0/virtio-net"])
    told["host_features"] = hex(int(told["host_features"], 16) ^ 1 << 17)
    found = list(differences({**start, "devices": {"0000:00:02.0/virtio-net": told}}))
    assert len(found) == 1 and "VIRTIO_NET_F_CTRL_VQ" in found[0]


@every_capture
def test_as_the_captures_say(folder: Path) -> None:
    """x-query-virtio-status of the same stop, for each device that it was asked of."""
    told = truth(folder)
    statuses = [s for s in (told.get("virtio_status") or {}).values() if isinstance(s, dict) and "host-features" in s]
    if not statuses:
        return  # 5.2 and 11.1 do not answer it; test_as_recorded has them
    version = told["version"]["qemu"]
    release = Release(version["major"], version["minor"], version["micro"])
    profile = profile_of_command((folder / "cmdline.txt").read_bytes(), folder.name, release)
    offered = [(device.kind, device.host_features) for device in profile.devices]
    for status in statuses:
        kind = status["name"].replace("virtio-serial", "virtio-console")
        assert (kind, host_features_of(status)) in offered


def test_there_are_captures_with_statuses() -> None:
    assert sum(bool(truth(path.parent).get("virtio_status")) for path in COMMITTED.glob("*/truth.json")) >= 8


@pytest.mark.parametrize(
    ("release", "allowed"), [("5.2.0", 0x179BF8064), ("7.2.22", 0x10179BF8064), ("11.1.3", 0x10179BF8064)]
)
def test_what_qemu_allows_in_its_own_error(release: str, allowed: int) -> None:
    """Of a NIC on user-net: "Features 0x... unsupported. Allowed features: 0x..."."""
    command = b"qemu-system-x86_64 -machine pc -nodefaults -netdev user,id=n -device virtio-net-pci,netdev=n"
    (nic,) = profile_of_command(command, "cmdline", Release.parse(release)).devices
    assert nic.host_features == allowed and not nic.assumed_features


def tap_offer(release: str, host: Host | None = None, vhost: bool = False, **given: str) -> tuple[list[str], list[str]]:
    """(all, assumed) of a NIC on a tap, by name."""
    parsed = Release.parse(release)
    settings = Settings("virtio-net", machine_type("pc", parsed), parsed, given)
    offer = host_features(settings, Transport(), Backend("tap", vhost), host)
    return names("virtio-net", offer.bits), names("virtio-net", offer.assumed)


def test_what_a_kernel_decides_is_assumed() -> None:
    offered, assumed = tap_offer("11.1")
    assert set(assumed) < set(offered)
    assert {name.rpartition("_")[2] for name in assumed} == {"UFO", "USO4", "USO6", "USO", "GSO", "CSUM"}
    assert "VIRTIO_NET_F_CSUM" in offered and "VIRTIO_NET_F_CSUM" not in assumed


def test_a_probed_kernel_narrows_it() -> None:
    """The kernel before 6.2 of the usual case: no USO, so no bits 54 to 56."""
    old = Host(kernel="5.15", vnet_hdr=True, ufo=True, uso=False, tunnel=False, tunnel_csum=False)
    offered, assumed = tap_offer("11.1", old)
    assert not assumed
    assert not [name for name in offered if "USO" in name or "TUNNEL" in name]
    assert "VIRTIO_NET_F_HOST_UFO" in offered


def test_a_host_without_header_has_no_offloads_at_all() -> None:
    offered, assumed = tap_offer("11.1", Host(vnet_hdr=False))
    assert not assumed and not [name for name in offered if "TSO" in name or "CSUM" in name or "UFO" in name]


def test_vhost_takes_what_the_kernel_does_not_have() -> None:
    offered, assumed = tap_offer("10.0", vhost=True, packed="on", hash="on")
    assert "VIRTIO_F_RING_PACKED" not in offered and "VIRTIO_NET_F_HASH_REPORT" not in offered
    assert "VIRTIO_F_RING_RESET" in assumed
    without = Host(vnet_hdr=True, ufo=True, uso=True, vhost_features=1 << 15 | 1 << 32)
    offered, assumed = tap_offer("10.0", without, vhost=True)
    assert "VIRTIO_F_RING_RESET" not in offered and "VIRTIO_NET_F_MRG_RXBUF" in offered and not assumed


def test_vhost_offers_rss_where_qemu_loads_its_program() -> None:
    offered, assumed = tap_offer("10.0", vhost=True, rss="on")
    assert "VIRTIO_NET_F_RSS" in offered and "VIRTIO_NET_F_RSS" in assumed


def test_a_release_without_the_ring_features_leaves_vhost_nothing_to_withhold() -> None:
    offered, assumed = tap_offer("2.12", vhost=True)
    assert "VIRTIO_F_RING_RESET" not in offered
    assert assumed == ["VIRTIO_NET_F_GUEST_UFO", "VIRTIO_NET_F_HOST_UFO"]


def test_other_transports_are_modern() -> None:
    """As s390x's CCW; a PCI device before 2.4 is not."""
    release = Release.parse("2.3")
    settings = Settings("virtio-net", machine_type("pc", release), release, {})
    assert modern(settings, Transport("ccw")) and not modern(settings, Transport())


def test_a_kernel_with_tunnels_and_without_their_checksums() -> None:
    host = Host(vnet_hdr=True, ufo=True, uso=True, tunnel=True, tunnel_csum=False)
    offered, assumed = tap_offer("11.1", host)
    assert [name for name in offered if "TUNNEL" in name] == [
        "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO",
        "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO",
    ]
    assert not assumed


def test_a_vhost_user_process_may_withhold_nearly_all() -> None:
    release = Release.parse("10.0")
    settings = Settings("virtio-net", machine_type("q35", release), release, {})
    offer = host_features(settings, Transport(), Backend("vhost-user"))
    assert names("virtio-net", offer.bits & ~offer.assumed) == ["VIRTIO_NET_F_MAC", "VIRTIO_F_BAD_FEATURE"]
    assert "vhost-user" in offer.words[0]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_tables_fit(kind: str) -> None:
    """Every property with a bit is known with its default, and the release of both tables is the same."""
    table = properties(kind)
    for feature in features(kind):
        if feature.property is not None and feature.property != "scsi":
            line = table[feature.property]
            assert line.since == feature.since, (kind, feature.property)
    for line in table.values():
        versions = [tuple(map(int, version.split("."))) for version, _ in line.older]
        assert versions == sorted(versions)
        assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version, _ in line.older)


def test_queues_of_a_release_that_makes_them_all_large() -> None:
    for version, expected in (("10.0.2", (256, 256, 64)), ("10.0.13", (1024,) * 3), ("11.1", (256, 256, 64))):
        release = Release.parse(version)
        assert queue_sizes(Settings("virtio-net", machine_type("pc", release), release, {}), 1) == expected
