"""Mutations of the refusal corpus in the other virtio devices of a machine, and other machines as its destination.

Each function is one group: it yields (name, edits), ``destinations`` (name, replacements of arguments).
"""

from __future__ import annotations

from collections.abc import Iterator

from refused_corpus import Edit
from refused_machines import MACHINES

from refused_subject import Mutation, Subject

DEVICES = ("virtio-console", "virtio-scsi", "virtio-blk", "virtio-balloon", "virtio-rng")

#   device            path                      values
VALUES: dict[str, dict[str, tuple[int, ...]]] = {
    "virtio-console": {
        "serial.cols": (1, 0xFFFF),
        "serial.max_nr_ports": (0, 1, 30, 32, 33, 512, 0x7FFFFFFF, 0xFFFFFFFF),
        "serial.ports_map[0]": (0, 2, 3, 0x80000000, 0xFFFFFFFF),
        "serial.nr_active_ports": (0, 2, 31, 0x7FFFFFFF, 0xFFFFFFFF),
        "serial.ports[0].id": (1, 5, 31, 0xFFFFFFFF),
        "serial.ports[0].guest_connected": (0, 1, 2, 255),
        "serial.ports[0].host_connected": (0, 1, 2, 255),
        "serial.ports[0].elem_popped": (1, 2, 0xFFFFFFFF),
    },
    "virtio-blk": {"requests.end.#marker": (1, 2, 5, 255)},
    "virtio-balloon": {"balloon.num_pages": (1, 0xFFFFFFFF), "balloon.actual": (1, 0xFFFFFFFF)},
    "virtio-scsi": {},
    "virtio-rng": {},
    "scsi-disk": {
        "qdev.unit_attention.key": (6, 255),
        "qdev.sense_len": (1, 96, 97, 252, 253, 256, 0x7FFFFFFF, 0xFFFFFFFF),
        "qdev.sense_is_ua": (1, 2),
        "media_changed": (1, 2),
        "tray_open": (1, 2),
        "tray_locked": (1, 255),
    },
}


def other_devices(s: Subject) -> Iterator[Mutation]:
    if s.machine != "multi":
        return
    for kind, values in VALUES.items():
        device = s.device("/" + kind)
        for path, wanted in values.items():
            if path in device:
                for value in wanted:
                    yield f"{kind} {path}={value:#x}", (device.put(path, value),)
    disk = s.device("/scsi-disk")
    for value in (1, 2, 3, 255):
        yield f"scsi-disk requests={value}", (disk.put("qdev.requests", bytes((value,))),)
    for kind in DEVICES:
        device = s.device("/" + kind)
        last = device.value("num_queues") - 1
        for path, wanted in {
            "queue_sel": (1023, 1024),
            "config_vector": (0x50, 0xFFFF),
            "vq[0].vector": (0x50, 0xFFFF),
            "status": (0, 0x80),
            "num_queues": (0, 1, 2, 3, 4, 63, 65, 1024, 1025),
            "config_len": (0, 8, 100, 1 << 20),
            "vq[0].num": (0, 1, 100, 1024, 1025),
            f"vq[{last}].num": (0, 1024),
            "vq[0].desc": (0, 1 << 40),
            "pci.config.device_id": (0x1000, 0x1041),
            "pci.irq_state[0]": (1, 2),
        }.items():
            if path in device:
                for value in wanted:
                    if value != device.value(path):
                        yield f"{kind} {path}={value:#x}", (device.put(path, value),)
        for more in (1, -1, 1000):
            yield f"{kind} last_avail_idx{more:+}", (device.add("vq[0].last_avail_idx", more),)
        length = device.value("config_len")
        begin = device.behind("config_len")
        yield (
            f"{kind} config inverted",
            (Edit(begin, length, bytes(255 - byte for byte in s.bytes(begin, begin + length))),),
        )
        for bit in (0, 1, 5, 9, 12, 28, 29, 30, 32, 33, 34, 40, 63):
            path = "64bit_features.guest_features"
            if path in device:
                yield f"{kind} feature {bit}", (device.put(path, device.value(path) ^ 1 << bit),)
        for path, (first, end) in device.subsections.items():
            yield f"{kind} {path} removed", (Edit(first, end - first, b""),)
            yield f"{kind} {path} twice", (Edit(end, 0, s.bytes(first, end)),)
        for path in ("status", "num_queues", "vq[0].num", "64bit_features.#name"):
            if path in device:
                yield f"{kind} cut at {path}", (s.cut(device.at(path)),)
        for path in ("serial.cols", "serial.ports_map[0]", "serial.ports[0].id", "requests.end.#marker"):
            if path in device:
                yield f"{kind} cut at {path}", (s.cut(device.at(path)),)


_OFF = (
    *("mrg_rxbuf", "csum", "guest_csum", "event_idx", "indirect_desc", "ctrl_vq", "ctrl_rx", "ctrl_vlan"),
    *("ctrl_mac_addr", "guest_announce", "ctrl_guest_offloads", "any_layout", "status", "queue_reset"),
)


def destinations(machine: str, qemu: str) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Destinations that are not what the stream comes from."""
    if machine == "multi":
        for what in ("virtio-rng-pci", "virtio-balloon-pci", "virtio-blk-pci", "virtconsole"):
            yield f"without {what}", ((what, ""),)
        yield "blk with two queues", (("virtio-blk-pci", "virtio-blk-pci,num-queues=2"),)
        yield "serial with fewer ports", (("virtio-serial-pci", "virtio-serial-pci,max_ports=8"),)
        yield "console with another port", (("virtconsole,", "virtconsole,nr=3,"),)
        yield "balloon with free-page-reporting", (("virtio-balloon-pci", "virtio-balloon-pci,free-page-reporting=on"),)
        yield "scsi with two queues", (("virtio-scsi-pci,", "virtio-scsi-pci,num_queues=2,"),)
        yield "disk of another size", (("size=16777216", "size=33554432"),)
        return
    nic = MACHINES[machine].devices[-1]  # what comes behind its properties wins
    for name in _OFF:
        if name != "queue_reset" or qemu not in ("q52",):
            yield f"{name}=off", ((nic, f"{nic},{name}=off"),)
    for more in (
        *("mq=on", "mq=off", "vectors=0", "vectors=3", "vectors=5", "vectors=20", "disable-modern=on"),
        *("disable-legacy=on", "disable-legacy=off,disable-modern=on", "rx_queue_size=512", "rx_queue_size=1024"),
        *("packed=on", "rss=on", "hash=on", "host_mtu=1400", "speed=1000,duplex=full", "failover=on", "addr=5"),
        *("multifunction=on", "iommu_platform=on,disable-legacy=on", "page-per-vq=on", "ats=on", "tx=timer"),
        *("guest_ufo=off", "host_ufo=off", "guest_tso4=off", "x-disable-pcie=on", "migrate-extra=off"),
        *("virtio-pci-bus-master-bug-migration=on", "use-disabled-flag=off", "use-started=off", "modern-pio-notify=on"),
    ):
        yield more, ((nic, f"{nic},{more}"),)
    yield "another MAC", (("34:56", "34:57"),)
    yield "more RAM", (("96M", "128M"),)
    yield "less RAM", (("96M", "64M"),)
    yield "q35", (("pc-i440fx-", "pc-q35-"),)
    yield "without the NIC", (("virtio-net-pci", ""),)
    yield "another NIC", ((nic, "e1000,netdev=n0,romfile="),)
    yield "a second NIC", (("", "-netdev user,id=n1 -device virtio-net-pci,netdev=n1,romfile="),)
    yield "a VGA", (("", "-device VGA,addr=9"),)
    yield "another VM UUID", (("", "-uuid 01234567-89ab-cdef-0123-456789abcdef"),)
    if machine in ("4q", "rss"):
        for count in (1, 2, 3, 5, 8):
            yield f"queues={count}", (("queues=4", f"queues={count}"),)
        yield "vnet_hdr=off", (("queues=4", "queues=4,vnet_hdr=off"),)
        yield "user networking", (("tap,id=n0,ifname=vt0,script=no,downscript=no,vhost=off,queues=4", "user,id=n0"),)
    else:
        yield "a tap", (("user,id=n0", "tap,id=n0,ifname=vt0,script=no,downscript=no,vhost=off"),)
        yield "a tap with two queues", (("user,id=n0", "tap,id=n0,ifname=vt0,script=no,downscript=no,queues=2"),)
        yield (
            "a tap with two queues, mq",
            (
                ("user,id=n0", "tap,id=n0,ifname=vt0,script=no,downscript=no,queues=2"),
                (nic, f"{nic},mq=on,vectors=6"),
            ),
        )
