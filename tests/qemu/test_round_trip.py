"""Streams of a real QEMU through vnetmig and back into a real QEMU: what it loads is what it saved, or what was set."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_qemu import NIC, Qemu, captured

import vnetmig

pytestmark = pytest.mark.qemu

NICS = {
    "modern and legacy": NIC,
    "legacy only": f"{NIC},disable-modern=on,disable-legacy=off",
    "packed rings offered": f"{NIC},packed=on",
    "no MSI-X": f"{NIC},vectors=0",
}


@pytest.fixture(params=list(NICS.values()), ids=list(NICS))
def nic(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_recoded_stream_loads_and_is_saved_again_alike(tmp_path: Path, nic: str) -> None:
    path = captured(tmp_path, nic)
    stream = vnetmig.load(path)
    recoded, again = tmp_path / "recoded.qemu", tmp_path / "again.qemu"
    recoded.write_bytes(stream.encode())
    assert recoded.read_bytes() == path.read_bytes()
    with Qemu(tmp_path, "-S", "-incoming", f"exec:cat {recoded}", nic=nic) as machine:
        machine.wait("query-migrate", "completed")
        machine.save(again)
    before, after = stream.device("virtio-net"), vnetmig.load(again).device("virtio-net")
    assert after.save() == before.save()


def test_what_is_set_in_the_document_is_what_qemu_loads(tmp_path: Path) -> None:
    stream = vnetmig.load(captured(tmp_path))
    net = stream.device("virtio-net")
    net.mac = "52:54:00:aa:bb:cc"
    net.mac_table.macs = ("52:54:00:00:00:01", "52:54:00:00:00:02", "33:33:00:00:00:01")
    net.rx_mode.promisc = False
    net.rx_mode.nomulti = True
    edited = tmp_path / "edited.qemu"
    stream.save(edited)
    with Qemu(tmp_path, "-S", "-incoming", f"exec:cat {edited}") as machine:
        machine.wait("query-migrate", "completed")
        seen = machine.rx_filter()
    assert seen["main-mac"] == "52:54:00:aa:bb:cc"
    assert seen["unicast-table"] == ["52:54:00:00:00:02", "52:54:00:00:00:01"]  # QMP lists the last first
    assert seen["multicast-table"] == ["33:33:00:00:00:01"]
    assert seen["promiscuous"] is False
    assert seen["multicast"] == "none"
