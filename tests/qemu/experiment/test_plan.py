"""A plan: the order of its turns, what it refuses, and the command line that follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.errors import FieldError
from vnetmig.qemu.experiment.arm import Arm
from vnetmig.qemu.experiment.command_line import command_line
from vnetmig.qemu.experiment.plan import Plan

TAPS = "tap,id=n0,ifname=tap{side},queues=4"


@given(seed=st.integers(0, 2**32), migrations=st.integers(1, 60))
def test_turns_come_in_blocks_with_one_of_each_arm(seed: int, migrations: int) -> None:
    order = Plan(on=Arm(smp=2), seed=seed, migrations=migrations).order
    assert len(order) == 2 * migrations
    assert all(order[k] != order[k + 1] for k in range(0, len(order), 2))
    longer = Plan(on=Arm(smp=2), seed=seed, migrations=migrations + 1).order
    assert longer[: len(order)] == order


def test_either_arm_comes_first() -> None:
    order = Plan(on=Arm(smp=2), migrations=100).order
    assert 30 < sum(order[::2]) < 70


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "the arms do not differ"),
        ({"on": Arm(smp=2), "migrations": 0}, "expected 1 to 10000, got 0"),
        ({"on": Arm(smp=2), "name": "../x"}, "'../x' names no series"),
        ({"on": Arm(smp=2), "name": ""}, "'' names no series"),
        ({"on": Arm(queue_pairs=4)}, "4 queue pairs take a backend"),
        ({"on": Arm(smp=2), "netdev": "user"}, "expected id=n0 in it"),
    ],
)
def test_what_is_no_plan(values: dict[str, Any], said: str) -> None:
    with pytest.raises(FieldError) as refused:
        Plan(**values)
    assert said in str(refused.value)


def test_the_command_line_has_what_the_arm_is_set_to() -> None:
    arm = Arm("/opt/qemu", "q35", 2, 4, (("virtio-net-pci.packed", "on"),))
    plan = Plan(on=arm, netdev=TAPS, kernel="vmlinuz", initrd="initrd", append="quiet")
    line = command_line(plan, arm, side=3, qmp="/tmp/a,b", log="x.log", console="c", incoming=True)
    text = " ".join(line)
    assert line[0] == "/opt/qemu"
    for part in (
        *("-machine q35,accel=tcg", "-smp 2", "ifname=tap3,", "mq=on,vectors=10", "-global virtio-net-pci.packed=on"),
        *("-qmp unix:/tmp/a,,b,server=on", "-D x.log -msg timestamp=on", "-trace vmstate_downtime_checkpoint"),
        *("-append console=ttyS0 quiet", "-initrd initrd", "-incoming defer", "-device VGA", "virtconsole", "scsi-hd"),
    ):
        assert part in text


def test_a_single_pair_has_no_multi_queue() -> None:
    plan = Plan(on=Arm(smp=2))
    line = command_line(plan, plan.off, side=0, qmp="q", log="l", console="c")
    assert "mq=on" not in " ".join(line)
    assert "-incoming" not in line
