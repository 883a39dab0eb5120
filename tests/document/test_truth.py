"""What is read equals what the same QEMU said over QMP at the same stop, value by value.

``query-rx-filter``, ``x-query-virtio-status`` and ``x-query-virtio-queue-status``; NICs are matched by their qdev id,
which the captures' PCI listing ties to a path in the stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from real_streams import document, every_capture, folders, truth

from vnetmig.document.device import Device
from vnetmig.document.net import NetDevice
from vnetmig.document.stream import Stream
from vnetmig.virtio import features

Difference = tuple[str, object, object]

IDSTR_OF = {"virtio-serial": "virtio-console"}
"""Devices whose section is not called as QOM calls them."""

STATUS_BITS = {
    "VIRTIO_CONFIG_S_ACKNOWLEDGE": 1,
    "VIRTIO_CONFIG_S_DRIVER": 2,
    "VIRTIO_CONFIG_S_DRIVER_OK": 4,
    "VIRTIO_CONFIG_S_FEATURES_OK": 8,
    "VIRTIO_CONFIG_S_NEEDS_RESET": 0x40,
    "VIRTIO_CONFIG_S_FAILED": 0x80,
}

TRANSPORT_BITS = {
    "VIRTIO_RING_F_INDIRECT_DESC": 28,
    "VIRTIO_RING_F_EVENT_IDX": 29,
    "VIRTIO_F_NOTIFY_ON_EMPTY": 24,
    "VIRTIO_F_ANY_LAYOUT": 27,
    "VIRTIO_F_VERSION_1": 32,
    "VIRTIO_F_IOMMU_PLATFORM": 33,
    "VIRTIO_F_RING_PACKED": 34,
    "VIRTIO_F_IN_ORDER": 35,
    "VIRTIO_F_ORDER_PLATFORM": 36,
    "VIRTIO_F_SR_IOV": 37,
    "VIRTIO_F_NOTIFICATION_DATA": 38,
    "VIRTIO_F_RING_RESET": 40,
    "VHOST_F_LOG_ALL": 26,
    "VHOST_USER_F_PROTOCOL_FEATURES": 30,
}


def pci_paths(told: dict[str, Any]) -> dict[str, str]:
    """qdev id -> the path that begins the device's idstr."""
    paths: dict[str, str] = {}

    def walk(devices: list[dict[str, Any]], above: str) -> None:
        for device in devices:
            path = f"{above}:{device['slot']:02x}.{device['function']:x}"
            if device["qdev_id"]:
                paths[device["qdev_id"]] = path
            walk(device.get("pci_bridge", {}).get("devices", []), path)

    for bus in told.get("pci", []):
        walk(bus["devices"], f"0000:{bus['bus']:02x}")
    return paths


def by_id(stream: Stream, told: dict[str, Any], qdev_id: str, name: str) -> Device | None:
    """The device with this qdev id; without a PCI bus there is one of each kind."""
    path = pci_paths(told).get(qdev_id)
    found = [s.device for s in stream.sections if s.type == "full" and s.idstr.rpartition("/")[2] == name]
    if path is not None:
        found = [device for device in found if device is not None and device.idstr.startswith(f"{path}/")]
    return found[0] if len(found) == 1 else None


def rx_filter(net: NetDevice, told: dict[str, Any]) -> Iterator[Difference]:
    mode, table = net.rx_mode, net.mac_table
    yield "main-mac", net.mac, told["main-mac"]
    # QEMU builds these lists from the front, so it tells the last entry first (virtio_net_query_rxfilter).
    yield "unicast-table", [*reversed(table.unicast)], told["unicast-table"]
    yield "multicast-table", [*reversed(table.multicast)], told["multicast-table"]
    yield "unicast-overflow", table.uni_overflow, told["unicast-overflow"]
    yield "multicast-overflow", table.multi_overflow, told["multicast-overflow"]
    yield "promiscuous", mode.promisc, told["promiscuous"]
    yield "unicast", mode.unicast, told["unicast"]
    yield "multicast", mode.multicast, told["multicast"]
    # QEMU answers with the value of nobcast (qemu: hw/net/virtio-net.c:virtio_net_query_rxfilter).
    yield "broadcast-allowed", mode.nobcast, told["broadcast-allowed"]
    yield "vlan", net.vlan_mode, told["vlan"]
    yield "vlan-table", sorted(net.vlans), sorted(told["vlan-table"])


def feature_bits(device: str, told: dict[str, Any]) -> int:
    bits = int(told.get("unknown-dev-features", 0))
    for line in told.get("transports", []):
        bits |= 1 << TRANSPORT_BITS[line.partition(":")[0]]
    names = [line.partition(":")[0] for line in told.get("dev-features", [])]
    for name in names:
        bits |= 1 << TRANSPORT_BITS[name] if name in TRANSPORT_BITS else features.bits_of(device, [name])
    return bits


def virtio_status(device: Device, told: dict[str, Any]) -> Iterator[Difference]:
    said = told["status"]
    bits = sum(STATUS_BITS[line.partition(":")[0]] for line in said["statuses"])
    yield "status", device["status"], bits | int(said.get("unknown-statuses", 0))
    yield "isr", device["isr"], told["isr"]
    yield "queue-sel", device["queue_sel"], told["queue-sel"]
    yield "num-vqs", device["num_queues"], told["num-vqs"]
    yield "broken", bool(device.get("broken.broken", 0)), told["broken"]
    yield "started", bool(device.get("started.started", 0)), told["started"]
    yield "disabled", bool(device.get("disabled.disabled", 0)), told["disabled"]
    guest = device.get("64bit_features.guest_features", device["guest_features_low"])
    yield "guest-features", guest, feature_bits(told["name"], told["guest-features"])


def queues(device: Device, told: list[dict[str, Any]]) -> Iterator[Difference]:
    for queue in told:
        if "error" in queue:
            continue
        index = queue["queue-index"]
        yield f"vq[{index}].vring-num", device[f"vq[{index}].num"], queue["vring-num"]
        yield f"vq[{index}].vring-desc", device[f"vq[{index}].desc"], queue["vring-desc"]
        yield f"vq[{index}].last-avail-idx", device[f"vq[{index}].last_avail_idx"], queue["last-avail-idx"]
        default = device.get(f"ringsize.vq[{index}].num_default", device[f"vq[{index}].num"])
        yield f"vq[{index}].vring-num-default", default, queue["vring-num-default"]
        if isinstance(device, NetDevice):
            yield f"vq[{index}].vring-avail", device.queues[index].avail, queue["vring-avail"]
            yield f"vq[{index}].vring-used", device.queues[index].used, queue["vring-used"]
        elif f"virtqueues.vq[{index}].avail" in device:
            yield f"vq[{index}].vring-avail", device[f"virtqueues.vq[{index}].avail"], queue["vring-avail"]
            yield f"vq[{index}].vring-used", device[f"virtqueues.vq[{index}].used"], queue["vring-used"]


@cache
def compared(folder: Path) -> tuple[Difference, ...]:
    """(what, read, said) of everything that QEMU told about this capture."""
    return tuple(_compared(folder))


def _compared(folder: Path) -> Iterator[Difference]:
    told, stream = truth(folder), document(folder)
    for answer in told.get("rx_filter") or []:
        net = by_id(stream, told, answer["name"], "virtio-net")
        assert isinstance(net, NetDevice), f"no virtio-net for '{answer['name']}'"
        for what, read, said in rx_filter(net, answer):
            yield f"{answer['name']}: {what}", read, said
    for part, compare in (("virtio_status", virtio_status), ("virtio_queues", queues)):
        for path, answer in (told.get(part) or {}).items():
            if not answer or "error" in answer:
                continue
            entries = [entry for entry in answer if "error" not in entry] if isinstance(answer, list) else [answer]
            name = entries[0]["name"]
            device = by_id(stream, told, path.split("/")[3], IDSTR_OF.get(name, name))
            assert device is not None, f"no {name} for {path}"
            for what, read, said in compare(device, answer):
                yield f"{path}: {what}", read, said


@every_capture
def test_every_value_that_qemu_told_is_read(folder: Path) -> None:
    different = [found for found in compared(folder) if found[1] != found[2]]
    assert not different


def test_how_many_values_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    count: Counter[str] = Counter()
    for folder in folders():
        count.update(what.rpartition(".")[2].rpartition(": ")[2] for what, _, _ in compared(folder))
    with capsys.disabled():
        print(f"\n{sum(count.values())} values of {len(folders())} captures compared with QEMU's: {dict(count)}")
    assert count["main-mac"] >= 14
    assert min(count.values()) >= 10
