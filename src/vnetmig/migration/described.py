"""Sections that only the stream's own vmdescription explains: their bytes into records.

Knows vmdesc JSON and where PCI config space stands in it; knows no device by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from vnetmig.errors import StreamError, VnetmigError
from vnetmig.stream.kept import Kept
from vnetmig.stream.vmdescription import Description, DeviceDescription
from vnetmig.virtio.pci_config import pci_config_registers
from vnetmig.vmstate import Program, Record
from vnetmig.vmstate.vmdesc import describe, wire_size

_OVERLAYS = {"pci config": pci_config_registers}


KEPT = 32
KEPT_BYTES = 4 << 20
"""Descriptions whose programs are kept, and bytes of their texts: a destination is sent the same one early and at the
end, or again and again; a fleet of guests has few kinds of machines. Programs take about ten times their text."""


class VmdescPrograms:
    """What one vmdescription compiles to, device by device, made when first wanted."""

    def __init__(self, description: Description) -> None:
        try:
            self._devices = {(d.name, d.instance_id, d.occurrence): d for d in description.devices}
        except StreamError:
            self._devices = {}
        self._programs: dict[tuple[str, int, int], tuple[int, Program]] = {}

    @staticmethod
    def of(description: Description) -> VmdescPrograms:
        """Those of ``description``, from an earlier time if its text was seen before."""
        return _programs(description.text)

    def find(self, sections: Sequence[tuple[str, int]]) -> list[DeviceDescription | None]:
        """The description of each FULL section (idstr, instance_id), in stream order; None where there is none.

        A name and instance may come several times (QEMU up to 7.2 registers two slirp stacks so): the n-th section has
        the n-th description.
        """
        seen: dict[tuple[str, int], int] = {}
        found = []
        for key in sections:
            occurrence = seen.get(key, 0)
            seen[key] = occurrence + 1
            found.append(self._devices.get((*key, occurrence)))
        return found

    def program(self, device: DeviceDescription, size: int) -> Program:
        """The program of one of these devices. StreamError when it does not describe ``size`` bytes."""
        key = device.name, device.instance_id, device.occurrence
        described, program = self._programs.get(key, (-1, None))
        if program is None or described != size:
            program = program_of(device, size)
            self._programs[key] = size, program
        return program


_programs = Kept(lambda text: VmdescPrograms(Description(text)), entries=KEPT, size=KEPT_BYTES)


def program_of(device: DeviceDescription, size: int) -> Program:
    """The program that ``device``'s description compiles to. StreamError when it does not describe ``size`` bytes."""
    vmsd = describe(device.json, _OVERLAYS)
    described = wire_size(vmsd)
    if described != size:
        raise StreamError(
            "the vmdescription does not fit the section",
            section=device.name,
            expected=f"{described} bytes",
            got=f"{size} bytes",
            code="vmdesc",
        )
    try:
        return Program(vmsd)
    except StreamError:
        raise
    except VnetmigError as error:
        raise StreamError(f"the vmdescription cannot be used: {error}", section=device.name, code="vmdesc") from error


def load_described(
    device: DeviceDescription, data: bytes, *, programs: VmdescPrograms | None = None, engine: str | None = None
) -> Record:
    """The record of a section payload, by its own description. StreamError when they do not belong together.

    ``programs``: those of the whole description, which keep what was compiled.
    """
    size = len(data)
    program = programs.program(device, size) if programs is not None else program_of(device, size)
    loaded = program.load(data, engine=engine)
    if loaded.error is not None:
        raise loaded.error.at(0, device.name)
    if loaded.size != len(data):
        raise StreamError(
            "the vmdescription ends before its section does",
            offset=loaded.size,
            section=device.name,
            expected=f"{len(data)} bytes",
            got=f"{loaded.size} bytes",
            code="vmdesc",
        )
    return loaded.record
