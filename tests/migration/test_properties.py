"""F16, F24: the property ``early-mig``: its default by machine type, explicit values, refusals."""

from __future__ import annotations

import pytest

from vnetmig.errors import MigrationError
from vnetmig.migration.properties import DEVICE_TYPES, EARLY_MIG, DeviceProperties, early_mig_default


@pytest.mark.parametrize(
    ("machine", "on"),
    [
        ("pc-i440fx-5.2", False),
        ("pc-q35-10.0", False),
        ("pc-q35-10.2", False),  # its QEMU was released without the property
        ("pc-q35-11.1", False),
        ("pc-q35-11.2", True),
        ("pc-i440fx-12.0", True),
        ("s390-ccw-virtio-11.10", True),
        ("virt-9.2", False),
        ("pc-i440fx-rhel7.6.0", False),
        ("microvm", False),
        ("", False),
    ],
)
def test_f16_the_default_of_a_machine_type(machine: str, on: bool) -> None:
    assert early_mig_default(machine) is on
    assert DeviceProperties("net0", "virtio-net-pci", machine).get(EARLY_MIG) is on


@pytest.mark.parametrize("device_type", sorted(DEVICE_TYPES))
@pytest.mark.parametrize("machine", ["pc-q35-10.0", "pc-q35-12.0"])
@pytest.mark.parametrize("value", [True, False])
def test_f24_an_explicit_value_wins(device_type: str, machine: str, value: bool) -> None:
    net = DeviceProperties("net0", device_type, machine)
    net.set(EARLY_MIG, value)
    net.realize()
    assert net.get(EARLY_MIG) is value


def test_f24_a_realized_device_keeps_it() -> None:
    net = DeviceProperties("net0", "virtio-net-pci", "pc-q35-12.0")
    net.realize()
    words = r"Attempt to set property 'early-mig' on device 'net0' \(type 'virtio-net-pci'\) after it was realized"
    with pytest.raises(MigrationError, match=words):
        net.set(EARLY_MIG, False)
    assert net.get(EARLY_MIG) is True


@pytest.mark.parametrize(
    ("device_type", "name"), [("virtio-blk-pci", EARLY_MIG), ("e1000", EARLY_MIG), ("virtio-net-pci", "early_mig")]
)
def test_f24_other_devices_and_other_names_have_none(device_type: str, name: str) -> None:
    device = DeviceProperties("x", device_type, "pc-q35-12.0")
    for call in (lambda: device.get(name), lambda: device.set(name, True)):
        with pytest.raises(MigrationError, match=f"Property '{device_type}.{name}' not found"):
            call()


def test_f16_there_is_no_transport_without_it() -> None:
    assert {
        "virtio-net-device",
        "virtio-net-pci",
        "virtio-net-pci-transitional",
        "virtio-net-pci-non-transitional",
        "virtio-net-ccw",
    } == DEVICE_TYPES
