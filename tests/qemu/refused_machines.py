"""The machines of the refusal corpus: which QEMUs, which devices, and the command lines of both ends.

Knows command lines only; capturing and loading are for others.
"""

from __future__ import annotations

from dataclasses import dataclass

#  name     release     machine type
QEMUS = {
    "q52": ("5.2.0", "pc-i440fx-5.2"),
    "q72": ("7.2.22", "pc-i440fx-7.2"),
    "qbpo": ("10.0.2", "pc-i440fx-10.0"),
    "q100": ("10.0.13", "pc-i440fx-10.0"),
    "q111": ("11.1.3", "pc-i440fx-11.1"),
}

_NULL_DISK = "driver=null-co,size=16777216,read-zeroes=on,node-name="
_NIC = "virtio-net-pci,netdev=n0,id=net0,mac=52:54:00:12:34:56,romfile="
_USER = ("-netdev", "user,id=n0", "-device", _NIC)
_TAP = ("-netdev", "tap,id=n0,ifname=vt0,script=no,downscript=no,vhost=off,queues=4", "-device")
_MULTI_QUEUE = _NIC + ",mq=on,vectors=10"
_BEFORE = ("-device", "virtio-serial-pci", "-chardev", "null,id=c0", "-device", "virtconsole,chardev=c0")
_BEHIND = (
    *("-device", "virtio-scsi-pci,id=scsi0", "-blockdev", _NULL_DISK + "d0", "-device", "scsi-hd,drive=d0"),
    *("-blockdev", _NULL_DISK + "d1", "-device", "virtio-blk-pci,drive=d1"),
    *("-device", "virtio-balloon-pci", "-device", "virtio-rng-pci"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: its devices as on the command line; ``guest`` is what its guest is told on top."""

    name: str
    devices: tuple[str, ...]
    remark: str
    cpus: int = 1
    guest: str = ""

    @property
    def tap(self) -> bool:
        """Does it need a network namespace for its tap?"""
        return "-netdev" in self.devices and "tap," in " ".join(self.devices)

    def arguments(self, qemu: str, serial: str = "null") -> tuple[str, ...]:
        """What stands behind the binary, at the source and at the destination alike."""
        return (
            *("-nodefaults", "-display", "none", "-no-user-config", "-cpu", "qemu64", "-m", "96M"),
            *("-smp", str(self.cpus), "-machine", QEMUS[qemu][1] + ",accel=tcg", "-serial", serial, *self.devices),
        )


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("1q", _USER, "one queue pair on user networking"),
        Machine("4q", (*_TAP, _MULTI_QUEUE), "four queue pairs on a tap", cpus=4),
        Machine("multi", (*_BEFORE, *_USER, *_BEHIND), "console, net, scsi with a disk, blk, balloon, rng"),
        Machine("packed", (*_USER[:3], _NIC + ",packed=on"), "packed rings"),
        Machine("legacy", (*_USER[:3], _NIC + ",disable-modern=on,disable-legacy=off"), "virtio 0.9"),
        Machine("rss", (*_TAP, _MULTI_QUEUE + ",rss=on,hash=on"), "four pairs, RSS on", cpus=4, guest="lab.rss"),
    )
}
