"""Sections that only the stream's own vmdescription explains: their bytes into records.

Knows vmdesc JSON and where PCI config space stands in it; knows no device by name.
"""

from __future__ import annotations

from vnetmig.errors import StreamError, VnetmigError
from vnetmig.stream.vmdescription import DeviceDescription
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
