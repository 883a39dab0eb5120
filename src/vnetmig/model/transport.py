"""What stands in front of a virtio device's own values in its section: the PCI device, or the mmio registers.

Knows the values of both transports and the empty record that a device on them starts from; knows no device's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vnetmig.errors import FieldError
from vnetmig.model.pci_config_template import pci_config
from vnetmig.virtio.net import VM_VERSION
from vnetmig.virtio.pci_config import CONFIG_SIZE, EXPRESS_CONFIG_SIZE, is_express, msix_vectors
from vnetmig.virtio.section import program
from vnetmig.vmstate import Record
from vnetmig.vmstate.value import Value

_ENTRY = 16
_MASKED = b"\0" * 12 + b"\1\0\0\0"  # an MSI-X table entry after a reset
_MODERN_STATE = "extra_state.pci.modern_state"


@dataclass(slots=True)
class PciTransport:
    """``config``: the configuration space, 256 bytes, or 4096 of a PCI Express device; it says how many MSI-X vectors
    there are: ``msix`` has 16 bytes for each, ``msix_pba`` a bit. ``modern``: not disable-modern."""

    config: bytes
    msix: bytes = b""
    msix_pba: bytes = b""
    irq_state: tuple[int, int, int, int] = (0, 0, 0, 0)
    version_id: int = 2
    modern: bool = True

    @classmethod
    def new(cls, vectors: int) -> PciTransport:
        """A transitional device that firmware has set up, with ``vectors`` MSI-X vectors, all masked."""
        return cls(pci_config(vectors), _MASKED * vectors, bytes((vectors + 7) // 8))

    @classmethod
    def of(cls, record: Record) -> PciTransport:
        return cls(
            _bytes(record, "pci.config"),
            _bytes(record, "msix"),
            _bytes(record, "msix_pba"),
            _four(record.get("pci.irq_state", (0, 0, 0, 0))),
            _int(record, "pci.version_id"),
            f"{_MODERN_STATE}.#version" in record,
        )

    def record(self, *, multiqueue: bool) -> Record:
        """A virtio-net on this transport, all other values zero. FieldError when the parts contradict each other."""
        size = EXPRESS_CONFIG_SIZE if is_express(self.config[:CONFIG_SIZE]) else CONFIG_SIZE
        if len(self.config) != size:
            raise FieldError(f"pci.config takes {size} bytes for this device, not {len(self.config)}")
        vectors = msix_vectors(self.config) or 0
        if len(self.msix) != _ENTRY * vectors or len(self.msix_pba) != (vectors + 7) // 8:
            raise FieldError(
                f"pci.config says {vectors} MSI-X vectors: msix takes {_ENTRY * vectors} bytes, not {len(self.msix)},"
                f" msix_pba {(vectors + 7) // 8}, not {len(self.msix_pba)}"
            )
        record = _empty(mmio=0, config_size=size, vectors=vectors, multiqueue=int(multiqueue))
        record["pci.version_id"] = self.version_id
        record["pci.config"] = self.config
        record["pci.irq_state"] = self.irq_state
        if vectors:
            record["msix"] = self.msix
            record["msix_pba"] = self.msix_pba
        record.add("extra_state")
        if self.modern:
            record.add(_MODERN_STATE)
        return record


@dataclass(slots=True)
class MmioTransport:
    """A legacy virtio-mmio device, as microvm has them."""

    modern: ClassVar[bool] = False
    host_features_sel: int = 0
    guest_features_sel: int = 0
    guest_page_shift: int = 12

    @classmethod
    def of(cls, record: Record) -> MmioTransport:
        return cls(*(_int(record, name) for name in cls.__slots__))

    def record(self, *, multiqueue: bool) -> Record:
        """A virtio-net on this transport, all other values zero."""
        record = _empty(mmio=1, config_size=CONFIG_SIZE, vectors=0, multiqueue=int(multiqueue))
        for name in type(self).__slots__:
            record[name] = getattr(self, name)
        return record


Transport = PciTransport | MmioTransport


def transport_of(record: Record) -> Transport:
    """The transport of a loaded virtio-net."""
    return MmioTransport.of(record) if record.program.params["mmio"] else PciTransport.of(record)


def _empty(**params: int) -> Record:
    return program("virtio-net", VM_VERSION, tuple(sorted(params.items()))).new_record()


def _int(record: Record, path: str) -> int:
    value = record[path]
    assert isinstance(value, int)
    return value


def _bytes(record: Record, path: str) -> bytes:
    value = record.get(path, b"")
    assert isinstance(value, bytes)
    return value


def _four(value: Value | None) -> tuple[int, int, int, int]:
    assert isinstance(value, tuple)
    a, b, c, d = (int(one) for one in value)
    return a, b, c, d
