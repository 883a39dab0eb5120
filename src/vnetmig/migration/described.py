"""Sections that only the stream's own vmdescription explains: their bytes into records.

Knows vmdesc JSON and where PCI config space stands in it; knows no device by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from vnetmig.errors import StreamError, VnetmigError
from vnetmig.stream.vmdescription import Description, DeviceDescription
from vnetmig.virtio.pci_config import pci_config_registers
from vnetmig.vmstate import Program, Record
from vnetmig.vmstate.vmdesc import describe, wire_size

_OVERLAYS = {"pci config": pci_config_registers}


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


def load_described(device: DeviceDescription, data: bytes, *, engine: str | None = None) -> Record:
    """The record of a section payload, by its own description. StreamError when they do not belong together."""
    loaded = program_of(device, len(data)).load(data, engine=engine)
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


def described_sections(description: Description, sections: Sequence[tuple[str, int]]) -> list[DeviceDescription | None]:
    """The description of each FULL section (idstr, instance_id), in stream order; None where there is none.

    A name and instance may come several times (QEMU up to 7.2 registers two slirp stacks so): the n-th section has the
    n-th description.
    """
    try:
        devices = {(d.name, d.instance_id, d.occurrence): d for d in description.devices}
    except StreamError:
        return [None] * len(sections)
    seen: dict[tuple[str, int], int] = {}
    found = []
    for key in sections:
        occurrence = seen.get(key, 0)
        seen[key] = occurrence + 1
        found.append(devices.get((*key, occurrence)))
    return found
