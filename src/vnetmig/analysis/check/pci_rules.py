"""What a destination checks of a device's PCI transport, in load order.

Source: qemu: hw/pci/pci.c:get_pci_config_device and get_pci_irq_state, hw/virtio/virtio-pci.c:virtio_pci_load_config.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.trouble import Frame, Trouble
from vnetmig.analysis.profile.pci_made import pci_made
from vnetmig.virtio.core import PCI_DEVICE
from vnetmig.virtio.pci_config import CAP_VENDOR, CONFIG_SIZE, find_capability
from vnetmig.virtio.pci_expected import first_wrong

NO_VECTOR = 0xFFFF


def _inside(field: str, kind: str) -> tuple[Frame, ...]:
    return (Frame("PCIDevice", field, kind, told=True),)


def version(state: Arriving) -> Iterator[Trouble]:
    found = state.record.get("pci.version_id")
    if isinstance(found, int) and not 0 <= _signed(found) <= PCI_DEVICE.version:
        values = {"value": _signed(found), "most": PCI_DEVICE.version}
        yield Trouble("pci-version", values, "pci.version_id", frames=_inside("version_id", "int32 le"))


def config(state: Arriving) -> Iterator[Trouble]:
    """Bytes that neither side may write must be those that the destination's device was made with."""
    content = state.content("pci.config")
    there = state.there
    if not content or there.vectors is None:
        return
    expected = pci_made(
        there,
        there.vectors,
        modern=_is_modern(state),
        legacy=_is_legacy(state, content),
        express=len(content) > CONFIG_SIZE,
    )
    wrong = first_wrong(expected, content)
    if wrong is not None:  # one byte off is one device too many: the others would say the same
        values = {
            "index": wrong.offset,
            "read": content[wrong.offset],
            "device": wrong.value,
            "cmask": wrong.cmask,
            "wmask": wrong.wmask,
            "w1cmask": 0,
        }
        yield Trouble("pci-config", values, "pci.config", frames=_inside("config", "pci config"))


def irq_state(state: Arriving) -> Iterator[Trouble]:
    levels = state.record.get("pci.irq_state", ())
    for index, level in enumerate(levels if isinstance(levels, tuple) else ()):
        if level not in (0, 1):
            path = f"pci.irq_state[{index}]"
            yield Trouble(
                "irq-state", {"value": _signed(int(level))}, path, frames=_inside("irq_state", "pci irq state")
            )
            return


def config_vector(state: Arriving) -> Iterator[Trouble]:
    vectors = state.record.program.params.get("vectors", 0)
    found = state.number("config_vector")
    if vectors and found is not None and found != NO_VECTOR and found >= vectors:
        yield Trouble("vector", {"vector": found, "vectors": vectors}, "config_vector")


def _is_modern(state: Arriving) -> bool:
    there = state.there
    if there.host_features is not None:
        return bool(there.host_features >> 32 & 1)
    return find_capability(state.content("pci.config"), CAP_VENDOR) is not None


def _is_legacy(state: Arriving, content: bytes) -> bool:
    """Transitional, by what the profile says, or else by the device itself."""
    if state.there.pci_ids is not None:
        return state.there.pci_ids[1] == 0
    return content[8] == 0


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
