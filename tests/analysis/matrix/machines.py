"""Command lines of machines, as profiles, and a matrix's cells by what people call them."""

from __future__ import annotations

from vnetmig.analysis.matrix.cell import Cell
from vnetmig.analysis.matrix.matrix import Matrix
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import Release

USER = "-netdev user,id=n0 -device virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56,romfile="
TAP = "-netdev tap,id=n0,vhost=off{queues} -device virtio-net-pci,netdev=n0,mq=on"


def tap(pairs: int, more: str = "") -> str:
    return TAP.format(queues=f",queues={pairs}") + more


def machine(devices: str, kind: str = "pc-i440fx-7.2", release: str = "7.2", name: str = "vm.sh") -> Profile:
    line = f"qemu-system-x86_64 -nodefaults -machine {kind} {devices}"
    return profile_of_command(line.encode(), name, Release.parse(release))


def cell(found: Matrix, source: str, destination: str, machine: str | None = None) -> Cell:
    """Of a release to a release; with several profiles "name@release"."""
    (row,) = [
        number
        for number, place in enumerate(found.sources)
        if source in (str(place.release), f"{place.name}@{place.release}") and machine in (None, place.machine)
    ]
    (column,) = [
        number
        for number, place in enumerate(found.destinations)
        if destination in (str(place.release), f"{place.name}@{place.release}")
    ]
    return found.cell(row, column)


def rules(cell: Cell) -> list[tuple[str, str | None]]:
    """(rule, which guests) of each finding."""
    return [(one.finding.rule, one.guests) for one in cell.found]
