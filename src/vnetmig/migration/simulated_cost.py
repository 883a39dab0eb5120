"""SIMULATED: what a QEMU destination pays for its memory map while devices load, and vnetmig does not.

Loading a PCI function puts its BARs in place and switches bus mastering (qemu: hw/pci/pci.c:get_pci_config_device,
pci_update_mappings). Each change that is not batched is a commit of the memory map, and each commit rebuilds one
FlatView per address space (qemu: system/memory.c:memory_region_transaction_commit). Nothing of it is measured here:
these are counts seen in one QEMU, times a price per rebuild.

Seen in: QEMU 10.0.13 with the RFC's six patches, pc machine, flatview_new traced per device load, 5 + 5 migrations. A
virtio-net that was loaded early rebuilds nothing when it is loaded again: its config space is already what comes. All
other devices rebuild as much as ever.

Knows device names, config spaces and counts; touches no clock and no stream. Microseconds throughout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vnetmig.virtio.pci_header import ENDPOINT, HEADER
from vnetmig.virtio.section import device_of

NOTE: Final = "SIMULATED: rebuilds counted in a QEMU, times a price for each; not measured in this run"

VIRTIO_PCI: Final = 4
"""Commits of a transitional virtio function, seen alike for net, console and scsi."""

COMMITS: Final[Mapping[str, int]] = {
    # class          rebuilds that were seen with 6 / 7 address spaces, divided by these
    "piix4_pm": 4,  # 24 / 28
    "vga": 2,  # 12 / 14
    "ide": 1,  # 6 / 7
}
"""Of the other PCI functions that were traced. A class that does not stand here counts as 0: unknown, not free."""

REBUILD_US: Final = 20.0
"""About -0.5 ms for virtio-net's 24 rebuilds, under TCG with one vCPU."""
ADDRESS_SPACES: Final = 6
"""With one vCPU; a guest with two had one more."""

ALL_AT_ONCE: Final = "(one commit for all devices)"

Batch = Literal["none", "device", "all"]
"""One transaction per load: QEMU's own way is "none"; "device" closes one behind each device, "all" a single one behind
the last, as Chuang Xu's series for non-iterable state had it (qemu-devel, 2022-12)."""

# `0000:00:03.0/`, and behind a port `0000:00:01.0:00.0/` (qemu: hw/pci/pci.c:pcibus_get_dev_path)
_PCI_FUNCTION = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}(?::[0-9a-f]{2}\.[0-7])+/([^/]+)", re.ASCII)
_MAPPING = frozenset({"command", "expansion_rom_base", *(f"bar{number}" for number in range(6))})
_DECODING = 0b111  # of the command register: I/O space, memory space, bus master


@dataclass(frozen=True, slots=True)
class MapCosts:
    """``rebuild_us``: of one FlatView in an empty map. ``growth_us``: what each device that is in the map adds to a
    rebuild; about 5 was seen under TCG, nothing under KVM."""

    rebuild_us: float = REBUILD_US
    address_spaces: int = ADDRESS_SPACES
    batch: Batch = "none"
    growth_us: float = 0.0

    def of(self, commits: int, mapped: int) -> float:
        """Of ``commits`` while ``mapped`` devices are in the map."""
        return commits * self.address_spaces * (self.rebuild_us + self.growth_us * mapped)


STOCK: Final = MapCosts()


@dataclass(frozen=True, slots=True)
class MapLoad:
    """A device about to be loaded. ``mapped``: an early load left the map as this one will ask for (same_mapping).

    A device that was reset between its two loads is not mapped: resetting takes its BARs out again.
    """

    idstr: str
    mapped: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedLoad:
    """What one load costs on top of its own time."""

    idstr: str
    commits: int
    microseconds: float


def commits_of(idstr: str) -> int:
    """Changes of the memory map that loading a device for the first time makes.

    >>> commits_of("0000:00:03.0/virtio-net"), commits_of("virtio-mmio@00000000feb02e00/virtio-net"), commits_of("dma")
    (4, 0, 0)
    """
    function = _PCI_FUNCTION.fullmatch(idstr)
    if function is None:
        return 0
    return VIRTIO_PCI if device_of(idstr) else COMMITS.get(function[1], 0)


def same_mapping(early: bytes, final: bytes) -> bool:
    """Does loading the config space ``final`` over ``early``, of an endpoint, leave the memory map as it is?

    >>> early = bytearray(64)
    >>> final = early[:4] + b"\\x07" + early[5:]
    >>> same_mapping(early, early), same_mapping(early, final)
    (True, False)
    """
    return _mapping(early) == _mapping(final)


def _mapping(config: bytes) -> list[int]:
    """What pci_update_mappings looks at: where the BARs are, and whether they answer."""
    values = {
        name: int.from_bytes(config[offset : offset + size], "little")
        for offset, size, name in (*HEADER, *ENDPOINT)
        if name in _MAPPING
    }
    return [values.pop("command") & _DECODING, *values.values()]


def simulate(loads: Iterable[MapLoad], costs: MapCosts = STOCK) -> tuple[SimulatedLoad, ...]:
    """Per device, in the order of loading; with ``batch`` "all" the commit stands alone, as ALL_AT_ONCE, at the end.

    >>> order = [MapLoad("0000:00:02.0/vga"), MapLoad("0000:00:03.0/virtio-net", mapped=True)]
    >>> [(load.commits, load.microseconds) for load in simulate(order)]
    [(2, 240.0), (0, 0.0)]
    """
    order = [(load, commits_of(load.idstr)) for load in loads]
    mapped = sum(load.mapped and commits > 0 for load, commits in order)
    pending = False
    found = []
    for load, changes in order:
        commits = 0 if load.mapped else changes
        pending = pending or commits > 0
        if costs.batch != "none":
            commits = min(commits, 1 if costs.batch == "device" else 0)
        found.append(SimulatedLoad(load.idstr, commits, costs.of(commits, mapped)))
        mapped += changes > 0 and not load.mapped
    if costs.batch == "all" and pending:
        found.append(SimulatedLoad(ALL_AT_ONCE, 1, costs.of(1, mapped)))
    return tuple(found)
