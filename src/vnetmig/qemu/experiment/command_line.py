"""The command line of a machine of the thread that argued about downtime: VGA, console, network and SCSI over virtio.

Knows QEMU's options; starts nothing.
"""

from __future__ import annotations

from typing import Final

from vnetmig.migration.trace import FORMATS
from vnetmig.qemu.experiment.arm import Arm
from vnetmig.qemu.experiment.plan import Plan

EVENTS: Final = tuple(FORMATS)
"""Trace events of the migration: QEMU 8.2 and later."""

_DISK: Final = "driver=null-co,node-name=d0,size=16777216,read-zeroes=on"


def command_line(
    plan: Plan, arm: Arm, *, side: int, qmp: str, log: str, console: str, incoming: bool = False
) -> list[str]:
    """``side``: the process's place in the network; ``qmp``, ``log`` and ``console`` are paths for it to make."""
    multi_queue = f",mq=on,vectors={2 * arm.queue_pairs + 2}" if arm.queue_pairs > 1 else ""
    line = [
        *(arm.qemu, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", f"{arm.machine},accel={plan.accel}", "-cpu", plan.cpu),
        *("-smp", str(arm.smp), "-m", f"{plan.memory}M"),
        *("-qmp", f"unix:{_escaped(qmp)},server=on,wait=off"),
        *("-chardev", f"file,id=console,path={_escaped(console)}", "-serial", "chardev:console"),
        *("-D", log, "-msg", "timestamp=on", *(word for event in EVENTS for word in ("-trace", event))),
        *("-device", "VGA", "-device", "virtio-serial-pci"),
        *("-chardev", "null,id=c0", "-device", "virtconsole,chardev=c0"),
        *("-netdev", plan.netdev.replace("{side}", str(side))),
        *("-device", f"virtio-net-pci,netdev=n0,id=net0,mac=52:54:00:12:34:56,romfile={multi_queue}"),
        *("-device", "virtio-scsi-pci", "-blockdev", _DISK, "-device", "scsi-hd,drive=d0"),
    ]
    for name, value in arm.properties:
        line += ["-global", f"{name}={value}"]
    if plan.kernel is not None:
        line += ["-kernel", plan.kernel, "-append", f"console=ttyS0 {plan.append}".rstrip()]
    if plan.initrd is not None:
        line += ["-initrd", plan.initrd]
    return [*line, "-incoming", "defer"] if incoming else line


def _escaped(path: str) -> str:
    """QEMU's options end at a comma unless it is doubled."""
    return path.replace(",", ",,")
