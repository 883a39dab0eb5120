"""Device properties that a migration looks at, and how machine types decide about them.

Knows the property ``early-mig`` of the second RFC ("virtio-net: early VMStateDescription live migration support",
2026-03-20) and QEMU's messages about properties. Must not know what an early state is.

The RFC turns the property on from machine type 10.2 on. QEMU 10.2 to 11.1 were released without it, so a machine type
of theirs must leave it off: with it on, such a guest could not move between a QEMU that has it and one that has not.
Hence the default here is on from the first machine type behind them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from vnetmig.errors import MigrationError

EARLY_MIG: Final = "early-mig"
ON_SINCE: Final = (11, 2)
"""The first machine type version whose released QEMU could have the property."""

DEVICE_TYPES: Final = frozenset(
    {
        "virtio-net-device",
        "virtio-net-pci",
        "virtio-net-pci-transitional",
        "virtio-net-pci-non-transitional",
        "virtio-net-ccw",
    }
)
_VERSION = re.compile(r"-(\d+)\.(\d+)(?:\D|$)")


def early_mig_default(machine_type: str) -> bool:
    """The default of ``early-mig`` for a machine type; off where the name has no version.

    >>> early_mig_default("pc-i440fx-10.2"), early_mig_default("pc-q35-11.2"), early_mig_default("microvm")
    (False, True, False)
    """
    version = _VERSION.search(machine_type)
    return version is not None and (int(version[1]), int(version[2])) >= ON_SINCE


@dataclass(slots=True)
class DeviceProperties:
    """The properties of one device: explicit ones win over those of its machine type (qemu: -device, -global).

    >>> net = DeviceProperties("net0", "virtio-net-pci", "pc-q35-10.2")
    >>> net.get("early-mig")
    False
    >>> net.set("early-mig", True)
    >>> net.realize()
    >>> net.set("early-mig", False)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    vnetmig.errors.MigrationError: Attempt to set property 'early-mig' on device 'net0' ... after it was realized
    """

    device_id: str
    device_type: str
    machine_type: str
    realized: bool = False
    _explicit: dict[str, bool] = field(default_factory=dict)

    def get(self, name: str) -> bool:
        self._check(name)
        return self._explicit.get(name, early_mig_default(self.machine_type))

    def set(self, name: str, value: bool) -> None:
        self._check(name)
        if self.realized:
            raise MigrationError(
                f"Attempt to set property '{name}' on device '{self.device_id}' (type '{self.device_type}') "
                "after it was realized"
            )
        self._explicit[name] = value

    def realize(self) -> None:
        """The device is there: its properties are fixed."""
        self.realized = True

    def _check(self, name: str) -> None:
        if name != EARLY_MIG or self.device_type not in DEVICE_TYPES:
            raise MigrationError(f"Property '{self.device_type}.{name}' not found")
