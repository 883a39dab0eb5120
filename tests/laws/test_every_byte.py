"""Law: ``fields()`` names every byte of a device's state once, at its absolute offset, with its value."""

from __future__ import annotations

from pathlib import Path

from real_streams import document, every_capture, every_committed_capture, read
from value_bytes import value_bytes

from vnetmig.document.device import Device
from vnetmig.vmstate.fields import Field

LOOKUPS, LOOKUP_LEAVES = 4, 60_000
"""Leaves of each device that are looked up by path as well; a lookup walks the device, so not in the largest."""


def leaves_of(device: Device, data: bytes) -> list[tuple[str, Field]]:
    """All leaves of a device, each checked against the bytes it says it stands for."""
    at = device.section.record_offset
    leaves = list(device.fields().leaves())
    for path, field in leaves:
        assert field.offset == at, f"{device.idstr}: {path} is not where the one before it ends"
        assert field.size > 0, f"{device.idstr}: {path} is empty"
        at += field.size
        stands = data[field.offset : at]
        assert value_bytes(field, stands) == stands, f"{device.idstr}: {path} = {field.value!r}, not {stands.hex()}"
    if device.section.type == "full":
        assert at == device.section.payload_span[1], f"{device.idstr}: bytes behind the last field"
    return leaves


@every_capture
def test_each_byte_is_in_exactly_one_field_and_its_value_is_that_byte(folder: Path) -> None:
    data = read(folder)
    devices = [device for section in document(folder).sections if (device := section.device) is not None]
    assert devices
    for device in devices:
        leaves = leaves_of(device, data)
        paths = [path for path, _ in leaves]
        assert len(set(paths)) == len(paths), f"{device.idstr}: {[p for p in paths if paths.count(p) > 1][:5]}"


@every_committed_capture
def test_a_path_of_fields_reads_the_same_value_by_name(folder: Path) -> None:
    for section in document(folder).sections:
        device = section.device
        if device is None:
            continue
        leaves = list(device.fields().leaves())
        for path, field in leaves[:: max(1, len(leaves) // LOOKUPS)] if len(leaves) < LOOKUP_LEAVES else ():
            assert device.fields()[path] == field
            assert device[path] == field.value
