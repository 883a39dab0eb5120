"""What a feature needs of the host, and who usually takes it away between two hosts.

Knows, beyond ``virtio/features.py`` (bit, name, property, release), the backend and kernel behind a bit and the machine
types that switch it off. Knows no line.
"""

from __future__ import annotations

from dataclasses import dataclass

KERNEL_USO = "6.2"
KERNEL_TUNNEL = "6.17"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a feature comes from. ``kernel`` is the first Linux whose tap has it; ``without`` the last machine type
    that switches it off."""

    needs: str
    kernel: str | None = None
    without: str | None = None
    taken_by: tuple[str, ...] = ()


_HEADER = Origin(
    "a backend with a virtio header: tap with vnet_hdr=on, vhost-user, vhost-vdpa",
    taken_by=("user-mode networking, sockets, or a tap with vnet_hdr=off at the destination",),
)
_USO = Origin(
    "a tap with vnet_hdr=on whose kernel has TUN_F_USO4 and TUN_F_USO6",
    kernel=KERNEL_USO,
    without="8.1",
    taken_by=(
        f"the destination host's kernel is older than Linux {KERNEL_USO}, or its tap refuses USO",
        "machine type 8.1: QEMU 8.2.0 and 9.0.0 offered USO there; 9.1 and the stable updates do not",
        "the destination's QEMU is older than 8.2",
        "the destination's backend is no tap (user, vhost-user, vhost-vdpa) and does not have it",
    ),
)
_UFO = Origin(
    "a tap with vnet_hdr=on whose kernel has TUN_F_UFO (all but Linux 4.14 without its later updates)",
    taken_by=("the destination host's kernel", "another backend at the destination"),
)
_TUNNEL = Origin(
    "a tap with vnet_hdr=on whose kernel has TUN_F_UDP_TUNNEL_GSO",
    kernel=KERNEL_TUNNEL,
    without="10.1",
    taken_by=(
        f"the destination host's kernel is older than about Linux {KERNEL_TUNNEL}",
        "the destination's QEMU is older than 10.2, or its machine type 10.1 or before",
        "vhost at one side only, or a vhost of another kernel",
    ),
)
_CONTROL = Origin(
    "a backend with a control queue (QEMU's own; vhost-vdpa and vhost-user only if they have it)",
    taken_by=("another backend at the destination, or ctrl_vq=off",),
)
_OPT_IN = Origin(
    "nothing of the host with QEMU's own virtio; vhost has to know it",
    taken_by=("the property is set at one side only", "vhost at one side only"),
)
_DEFAULT = Origin("nothing of the host", taken_by=("the property, or the machine type that sets it, differs",))

NET: dict[int, Origin] = {
    **dict.fromkeys((0, 1, 6, 7, 8, 9, 11, 12, 13), _HEADER),
    **dict.fromkeys((10, 14), _UFO),
    **dict.fromkeys((54, 55, 56), _USO),
    **dict.fromkeys((65, 66, 67, 68), _TUNNEL),
    **dict.fromkeys((2, 17, 18, 19, 20, 21, 23), _CONTROL),
    3: Origin(
        "host_mtu= on -device, and with vhost-user a backend that takes it",
        taken_by=("<mtu size=...> is set at one side only", "the backend at the destination has a smaller MTU"),
    ),
    15: Origin("with vhost a vhost that has it", taken_by=("another vhost backend at the destination",)),
    22: Origin(
        "mq=on and a backend with more than one queue",
        taken_by=("queues= is 1 at the destination", "the CPU count changed, and the queues follow it"),
    ),
    57: Origin("hash=on; with vhost also eBPF", taken_by=("hash= is set at one side only", "eBPF is not allowed")),
    60: Origin("rss=on; with vhost also eBPF", taken_by=("rss= is set at one side only", "eBPF is not allowed")),
    62: Origin("failover=on", taken_by=("failover= is set at one side only",)),
    63: Origin("speed= or duplex=", taken_by=("speed= or duplex= is set at one side only",)),
}

BLK: dict[int, Origin] = {
    12: Origin(
        "num-queues= above 1", taken_by=("num-queues differs: since machine type 5.2 it follows the CPU count",)
    ),
    13: Origin("nothing of the host", without="3.1", taken_by=("the machine type, or discard= at one side only",)),
    14: Origin("nothing of the host", without="3.1", taken_by=("the machine type, or write-zeroes= at one side only",)),
    5: Origin("a read-only backend", taken_by=("the disk is read-only at one side only",)),
}

TRANSPORT: dict[int, Origin] = {
    32: Origin("disable-modern=off", taken_by=("disable-modern differs; it is on for machine types up to 2.6",)),
    33: Origin(
        "iommu_platform=on; with vhost a vhost that has it", taken_by=("iommu_platform is set at one side only",)
    ),
    34: Origin(
        "packed=on; the kernel's vhost has no packed rings",
        taken_by=("packed is set at one side only", "vhost=on at the destination"),
    ),
    35: _OPT_IN,
    38: _OPT_IN,
    40: Origin(
        "nothing of the host with QEMU's own virtio; vhost has to offer it too",
        without="7.1",
        taken_by=(
            "the destination's QEMU is older than 7.2, or its machine type 7.1 or before",
            "vhost at one side only, or a vhost of an older kernel",
        ),
    ),
}

_BY_KIND = {"virtio-net": NET, "virtio-blk": BLK}


def origin(device: str, bit: int) -> Origin:
    """Where ``bit`` of a ``device`` ("virtio-net") comes from."""
    return _BY_KIND.get(device, {}).get(bit) or TRANSPORT.get(bit) or _DEFAULT
