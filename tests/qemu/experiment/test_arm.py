"""Settings of an arm: what they change, and what is none."""

from __future__ import annotations

import pytest

from vnetmig.errors import FieldError
from vnetmig.qemu.experiment.arm import Arm, arm_with


def test_settings_of_every_kind() -> None:
    settings = (
        *("qemu=/opt/qemu", "machine=q35", "smp=4", "queue-pairs=2", "property.virtio-net-pci.packed=on"),
        *("capability.multifd=on", "capability.xbzrle=off", "parameter.max-bandwidth=1000", "parameter.mode=normal"),
        *("parameter.block-incremental=on",),
    )
    assert arm_with(Arm(), settings) == Arm(
        "/opt/qemu",
        "q35",
        4,
        2,
        (("virtio-net-pci.packed", "on"),),
        (("multifd", True), ("xbzrle", False)),
        (("block-incremental", True), ("max-bandwidth", 1000), ("mode", "normal")),
    )


def test_the_last_of_a_name_holds() -> None:
    arm = arm_with(arm_with(Arm(), ["smp=2", "capability.multifd=on"]), ["smp=3", "capability.multifd=off"])
    assert (arm.smp, arm.capabilities) == (3, (("multifd", False),))


def test_capabilities_and_parameters_are_not_of_the_hardware() -> None:
    arm = arm_with(Arm(), ["capability.multifd=on", "parameter.downtime-limit=5"])
    assert arm.hardware == Arm()
    assert arm_with(arm, ["smp=2"]).hardware != Arm()


@pytest.mark.parametrize(
    "setting",
    ["", "smp", "smp=", "smp=0", "smp=65", "smp=٣", "memory=1", "capability.x=yes", "capability=on", "smp.x=1"],
)
def test_what_is_no_setting(setting: str) -> None:
    with pytest.raises(FieldError) as refused:
        arm_with(Arm(), [setting])
    assert repr(setting) in str(refused.value)
