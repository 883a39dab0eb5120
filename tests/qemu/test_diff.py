"""Two instants of one real machine differ in churn only; two machines do not."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from real_qemu import BINARIES, NIC, Qemu

import vnetmig

pytestmark = pytest.mark.qemu


@pytest.mark.parametrize("binary", list(BINARIES.values()), ids=list(BINARIES))
def test_time_alone_is_no_difference(tmp_path: Path, binary: str) -> None:
    paths = [tmp_path / f"{number}.qemu" for number in range(3)]
    with Qemu(tmp_path, binary=binary) as machine:
        time.sleep(4)  # the firmware has given up looking for something to boot
        for path in paths:
            machine.save(path)
            machine.do("cont")
            time.sleep(0.5)
    for before, after in pairwise(paths):
        found = vnetmig.diff(before, after)
        assert not found.identical
        assert found.equal, [(s.idstr, f.path) for s in found.sections for f in s.differences]


def test_another_address_and_another_property_are(tmp_path: Path) -> None:
    for name, nic in (("a", NIC), ("b", NIC.replace("12:34:56", "12:34:57") + ",packed=on")):
        with Qemu(tmp_path, nic=nic) as machine:
            machine.save(tmp_path / f"{name}.qemu")
    found = vnetmig.diff(tmp_path / "a.qemu", tmp_path / "b.qemu")
    assert not found.equal
    section = found["virtio-net"]
    assert {"mac"} <= {field.path for field in section.differences}
    (subsections,) = (one for one in section.sets if one.name == "subsections")
    # virtio.c:virtio_disabled_needed: the firmware turns the device off and on, so that one is a matter of the instant
    assert set(subsections.only_a) <= {"disabled"}
    assert set(subsections.only_b) - {"disabled"} == {"packed_virtqueues"}
