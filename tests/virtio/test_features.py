"""The feature tables, among themselves and against what real QEMUs printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_sections import truth, virtio_head, virtio_sections

from vnetmig.errors import FieldError
from vnetmig.virtio import features as tables
from vnetmig.virtio.features import ALIASES, DEVICES, Feature, bits_of, describe, features, features_in, names

# Properties that later QEMUs dropped; the tables say since when a property is there, not until when.
DROPPED = {"scsi", "emergency-write"}


def told(status: dict[str, object], side: str) -> int:
    """The bits behind the names that x-query-virtio-status printed, unknown ones included."""
    said = status[side]
    assert isinstance(said, dict)
    known = [*said.get("dev-features", []), *said.get("transports", [])]
    return bits_of(str(status["name"]), known) | int(said.get("unknown-dev-features", 0))


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize("device", DEVICES)
def test_every_bit_and_name_is_there_once(device: str) -> None:
    table = features(device)
    assert [f.bit for f in table] == sorted({f.bit for f in table})
    assert len({f.name for f in table}) == len(table)
    for feature in table:
        assert feature.meaning
        assert feature.since is None or re.fullmatch(r"\d+\.\d+", feature.since)


def test_aliases_lead_to_names_that_exist() -> None:
    known = {feature.name for device in DEVICES for feature in features(device)}
    assert set(ALIASES.values()) <= known
    assert not set(ALIASES) & known


@given(st.sampled_from([*DEVICES, "virtio-unheard-of"]), st.integers(0, (1 << 128) - 1))
def test_names_and_bits_are_the_same_thing(device: str, bits: int) -> None:
    assert bits_of(device, names(device, bits)) == bits
    assert len(describe(device, bits)) == bits.bit_count()
    assert sum(1 << feature.bit for feature in features_in(device, bits)) == bits


@pytest.mark.parametrize(
    ("text", "bit"),
    [
        ("VIRTIO_NET_F_GUEST_USO4", 54),
        ("VIRTIO_NET_F_GUEST_TSO6: Driver can receive TSOv6", 8),
        ("VIRTIO_NET_F_GUEST_USO4: Driver can receive USOv6", 55),
        ("VIRTIO_F_ACCESS_PLATFORM", 33),
        ("VHOST_USER_F_PROTOCOL_FEATURES: Vhost-user protocol features negotiation supported", 30),
        ("bit 99", 99),
    ],
)
def test_a_name_in_any_spelling(text: str, bit: int) -> None:
    assert bits_of("virtio-net", [text]) == 1 << bit


@pytest.mark.parametrize("text", ["", "VIRTIO_BLK_F_MQ", "bit", "bit x", "bit -1", "bit 99999999999", "54"])
def test_a_name_of_no_feature_is_refused(text: str) -> None:
    with pytest.raises(FieldError) as raised:
        bits_of("virtio-net", [text])
    assert repr(text) in str(raised.value)


def test_a_device_without_a_table_has_the_transport_bits() -> None:
    assert features("virtio-unheard-of") == tables.TRANSPORT


def test_settings() -> None:
    by_name = {feature.name: feature for feature in features("virtio-net")}
    assert by_name["VIRTIO_NET_F_GUEST_USO4"].setting(True) == "guest_uso4=on"
    assert by_name["VIRTIO_F_VERSION_1"].setting(False) == "disable-modern=on"
    assert by_name["VIRTIO_NET_F_MTU"].setting(False) == "host_mtu=0"
    assert by_name["VIRTIO_NET_F_MAC"].setting(True) is None


def test_names_and_bits_as_qemu_has_them(capture: Path) -> None:
    """Every name that QEMU printed is in the tables, and the driver's bits are those on the wire."""
    statuses = [status for status in truth(capture)["virtio_status"].values() if "error" not in status]
    if not statuses:
        pytest.skip("this QEMU was not asked (x-query-virtio-status needs 7.2, and aborts 11.1)")
    for status in statuses:
        guest, host = told(status, "guest-features"), told(status, "host-features")
        assert guest & ~host == 0
        unknown = host & ~sum(1 << feature.bit for feature in features(status["name"]))
        assert unknown == 0, describe(status["name"], unknown)
    sections = virtio_sections(capture)
    if not sections:
        return  # no PCI, or virtio state is not in a FULL section
    serial = {"virtio-console": "virtio-serial"}
    wire = sorted((serial.get(s.device, s.device), virtio_head(s).features) for s in sections)
    assert wire == sorted((status["name"], told(status, "guest-features")) for status in statuses)


def test_properties_are_as_old_as_the_tables_say(capture: Path) -> None:
    """`info qtree` of each QEMU lists exactly the properties that are not younger than that QEMU."""
    qemu = truth(capture)["version"]["qemu"]
    running = (qemu["major"], qemu["minor"])
    for device, there in properties(truth(capture)["hmp_info_qtree"]).items():
        for feature in [f for f in features(device) if f.property]:
            assert feature.property
            expected = feature.since is None or version(feature.since) <= running
            if feature.property in DROPPED and feature.property not in there:
                continue
            if feature.property == "disable-modern" and "page-per-vq" not in there:
                continue  # no PCI proxy around this one
            assert (feature.property in there) == expected, (device, feature)


def properties(qtree: str) -> dict[str, set[str]]:
    """Device name -> properties of it and of the PCI proxy it sits in, for every virtio device."""
    found: dict[str, set[str]] = {}
    device = ""
    for line in qtree.splitlines():
        if opened := re.match(r" *dev: ([\w-]+),", line):
            device = re.sub("-(pci|device)$", "", opened[1])
        elif (row := re.match(r" *([\w-]+) = ", line)) and device in DEVICES:
            found.setdefault(device, set()).add(row[1])
    return found


def test_features_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Feature(0, "X", None, None, "x").bit = 1  # type: ignore[misc]
