"""Edited streams in a real QEMU, which holds what was set; sections made of values alone, which come back alike."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from real_qemu import BINARIES, CAPTURE, STREAMS, Qemu, captured, replay

import vnetmig
from vnetmig.document.net import NetDevice
from vnetmig.model.transport import PciTransport

pytestmark = pytest.mark.qemu
each_qemu = pytest.mark.parametrize("binary", list(BINARIES.values()), ids=list(BINARIES))

NET = "virtio-net"
ENTRY = "02:c0:ff:ee:00:01"
KEPT = ["33:33:ff:12:34:56", "01:00:5e:00:00:01", "33:33:00:00:00:01"]  # QMP lists the last first

#   patch                    options of `vnetmig edit`, and what query-rx-filter says then
PATCHES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "mac": (("--set", f"{NET}:mac=52:54:00:aa:bb:cc"), {"main-mac": "52:54:00:aa:bb:cc"}),
    "promisc": (("--set", f"{NET}:rx_mode.promisc=on"), {"promiscuous": True}),
    "allmulti": (("--set", f"{NET}:rx_mode.allmulti=on"), {"multicast": "all"}),
    "nouni": (("--set", f"{NET}:rx_mode.nouni=on"), {"unicast": "none"}),
    "vlan map cleared": (("--set", f"{NET}:vlans=none"), {"vlan": "none", "vlan-table": []}),
    "vlan 42": (("--set", f"{NET}:vlans=+42"), {"vlan": "normal", "vlan-table": [42, 0]}),
    "first entry rewritten": (
        ("--set", f"{NET}:mac_table.macs[0]=33:33:00:00:00:99"),
        {"multicast-table": [*KEPT[:2], "33:33:00:00:00:99"]},
    ),
    "entry inserted in front": (
        ("--insert", f"{NET}:mac_table.macs[0]={ENTRY}"),
        {"unicast-table": [ENTRY], "multicast-table": KEPT},
    ),
    "net_status 0": (("--set", f"{NET}:net_status=0"), {}),
}
VLAN = {"vlan", "vlan-table"}
LOST = {"vlan": "none", "vlan-table": []}


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    """The stream of a Linux guest."""
    path = tmp_path / "capture.qemu"
    path.write_bytes(lzma.decompress((STREAMS / CAPTURE / "stream.bin.xz").read_bytes()))
    return path


@each_qemu
@pytest.mark.parametrize("patch", list(PATCHES))
def test_what_was_edited_is_what_qemu_holds(tmp_path: Path, linux: Path, patch: str, binary: str) -> None:
    options, changed = PATCHES[patch]
    edited, again = tmp_path / "edited.qemu", tmp_path / "again.qemu"
    with replay(tmp_path, linux, binary) as machine:
        before = machine.rx_filter()
        lost = machine.loses_vlans
    assert run("edit", linux, "-o", edited, *options).exit_code == 0
    with replay(tmp_path, edited, binary) as machine:
        seen = machine.rx_filter()
        machine.save(again)
    assert seen == before | (changed if not lost else changed | LOST)
    if not lost:
        assert before["vlan-table"] == [0]
    # query-rx-filter does not show everything: the values that QEMU saves again are those of the edit.
    held, meant = vnetmig.load(again).nets()[0], vnetmig.load(edited).nets()[0]
    assert held.net_status == meant.net_status and held.rx_mode.as_dict() == meant.rx_mode.as_dict()
    assert held.mac == meant.mac and held.mac_table.macs == meant.mac_table.macs
    assert held.vlans == (frozenset() if lost else meant.vlans)


def rebuilt(net: NetDevice, **other: Any) -> vnetmig.NetState:
    """The device from its values, read one by one."""
    record, names = net.record, ("last_avail_idx", "last_avail_wrap_counter", "used_idx", "used_wrap_counter", "inuse")
    queues = []
    for i, queue in enumerate(net.queues):
        values: dict[str, Any] = {"desc": queue.desc, "last_avail_idx": queue.last_avail_idx, "vector": queue.vector}
        if queue.desc:
            values |= {"avail": queue.avail, "used": queue.used}
        if "packed_virtqueues" in record.subsections():
            values |= {name: record[f"packed_virtqueues.vq[{i}].{name}"] for name in names}
        queues.append(vnetmig.NetQueue(queue.num, **values))
    taken = ("status", "isr", "queue_sel", "net_status", "config", "config_vector", "has_vnet_hdr", "has_ufo")
    state = "extra_state.pci.modern_state"
    return vnetmig.new_net(
        net.idstr,
        guest_features=net.guest_features,
        offered=net.offered_at_least | 1 << 34 if "packed_virtqueues" in record.subsections() else None,
        queues=queues,
        vlans=net.vlans,
        transport=PciTransport(
            *(net[f"{name}"] for name in ("pci.config", "msix", "msix_pba")),  # type: ignore[arg-type]
            irq_state=net["pci.irq_state"],  # type: ignore[arg-type]
        ),
        started=bool(net.get("started.started", 0)),
        disabled=bool(net.get("disabled.disabled", 0)),
        dfselect=net[f"{state}.dfselect"],
        gfselect=net[f"{state}.gfselect"],
        **{name: net[name] for name in taken},
        **{name: int(on) for name, on in net.rx_mode.as_dict().items()},
        **({"mac": net.mac, "macs": net.mac_table.macs} | other),
    )


def spliced(path: Path, target: Path, **other: Any) -> vnetmig.Stream:
    """``path`` with a virtio-net of a new stream in the place of its own."""
    stream = vnetmig.load(path)
    made = vnetmig.new_stream(stream.machine or "pc")
    made.add(rebuilt(stream.nets()[0], **other))
    stream.replace(NET, vnetmig.load(made.encode()).device(NET))
    stream.save(target)
    return stream


def test_a_section_made_of_values_is_the_firmwares(tmp_path: Path) -> None:
    path, made, again = captured(tmp_path), tmp_path / "made.qemu", tmp_path / "again.qemu"
    stream = spliced(path, made)
    assert made.read_bytes() == path.read_bytes()
    with Qemu(tmp_path, "-S", "-incoming", f"exec:cat {made}") as machine:
        machine.wait("query-migrate", "completed")
        machine.save(again)
    assert vnetmig.load(again).nets()[0].save() == stream.nets()[0].save()


@each_qemu
def test_a_section_made_of_values_is_that_of_a_linux_guest(tmp_path: Path, linux: Path, binary: str) -> None:
    made, again = tmp_path / "made.qemu", tmp_path / "again.qemu"
    spliced(linux, made)
    assert made.read_bytes() == linux.read_bytes()
    with replay(tmp_path, made, binary) as machine:
        lost, grown = machine.loses_vlans, machine.version == (10, 0)
        machine.save(again)
    found = vnetmig.diff(made, again, NET)
    paths = {field.path for section in found.sections for field in section.fields}
    ringsize = {path for path in paths if path.startswith("ringsize.")}  # Debian's 10.0 makes every ring 1,024
    assert paths - (ringsize if grown else set()) == ({"vlans[0]"} if lost else set())


@each_qemu
def test_another_value_in_a_section_made_of_values(tmp_path: Path, linux: Path, binary: str) -> None:
    made = tmp_path / "made.qemu"
    spliced(linux, made, mac="52:54:00:aa:bb:cc", macs=[ENTRY, "33:33:00:00:00:01"])
    with replay(tmp_path, made, binary) as machine:
        seen = machine.rx_filter()
    assert seen["main-mac"] == "52:54:00:aa:bb:cc"
    assert (seen["unicast-table"], seen["multicast-table"]) == ([ENTRY], ["33:33:00:00:00:01"])
