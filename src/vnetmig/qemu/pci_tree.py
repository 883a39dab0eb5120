"""The virtio and PCI devices of a running QEMU, found by walking its object model.

Knows the shape of QOM paths, buses and addresses (qom-list, qom-get); nothing is changed by asking. Knows no feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vnetmig.analysis.profile.pci_addresses import DEPTH_MAX, parse_address
from vnetmig.analysis.profile.pci_models import (
    BOARD_SECTIONS,
    BRIDGES,
    SECTIONS,
    VIRTIO_PCI,
    VIRTIO_SECTIONS,
)
from vnetmig.errors import QemuError
from vnetmig.qemu.qmp_session import Asked

DEVICES_MAX: Final = 4096

_CHILD = re.compile(r"child<(.*)>")
_LINK = re.compile(r"link<(.*)>")


@dataclass(frozen=True, slots=True)
class Found:
    """A virtio device: ``path`` has its properties; ``backend`` is what x-query-virtio calls it."""

    idstr: str
    path: str
    backend: str
    express: bool = False
    mmio: bool = False


@dataclass(slots=True)
class Tree:
    """``others``: sections of PCI devices that are not virtio; ``words``: what could not be followed."""

    virtio: list[Found] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    buses: int = 0


def pci_tree(qmp: Asked) -> Tree:
    """Every PCI device from the root bus on, and what is on virtio-mmio buses."""
    tree = Tree()
    for path, kind in [*_children(qmp, "/machine"), *_children(qmp, "/machine/unattached")]:
        if kind.endswith(("pcihost", "pci-host")):
            for bus, bus_kind in _children(qmp, path):
                if bus_kind in ("PCI", "PCIE"):
                    _bus(qmp, bus, "0000:00", express=False, depth=0, tree=tree)
        elif kind == "virtio-mmio":
            _mmio(qmp, path, tree)
    return tree


def _children(qmp: Asked, path: str) -> list[tuple[str, str]]:
    """(path, type) of the objects below an object."""
    found = []
    for entry in qmp.execute("qom-list", path=path):
        kind = _CHILD.fullmatch(entry["type"])
        if kind is not None:
            found.append((f"{path}/{entry['name']}", kind[1]))
    return found


def _plugged(qmp: Asked, bus: str) -> Iterator[tuple[str, str]]:
    """(path, type) of the devices on a bus, in the order of their creation."""
    slots = [entry for entry in qmp.execute("qom-list", path=bus) if entry["name"].startswith("child[")]
    for entry in sorted(slots, key=lambda entry: int(re.sub(r"\D", "", entry["name"]) or 0)):
        kind = _LINK.fullmatch(entry["type"])
        path = qmp.execute("qom-get", path=bus, property=entry["name"])
        if kind is not None and path:
            yield path, kind[1]


def _bus(qmp: Asked, bus: str, prefix: str, *, express: bool, depth: int, tree: Tree) -> None:
    if depth > DEPTH_MAX:
        raise QemuError(f"{bus}: more than {DEPTH_MAX} PCI buses behind each other")
    for path, kind in _plugged(qmp, bus):
        if len(tree.virtio) + len(tree.others) > DEVICES_MAX:
            raise QemuError(f"more than {DEVICES_MAX} PCI devices")
        where = f"{prefix}:{_address(qmp.execute('qom-get', path=path, property='addr'))}"
        _device(path, kind, where, express, tree)
        for below, bus_kind in _children(qmp, path):
            if bus_kind in ("PCI", "PCIE"):
                behind = BRIDGES.get(kind, ("", False))[1]
                _bus(qmp, below, where, express=behind, depth=depth + 1, tree=tree)


def _address(value: Any) -> str:
    """addr is a number in some releases, text in others."""
    devfn = value if isinstance(value, int) else parse_address(str(value))
    return f"{devfn >> 3:02x}.{devfn & 7:x}"


def _device(path: str, kind: str, where: str, express: bool, tree: Tree) -> None:
    virtio = VIRTIO_PCI.fullmatch(kind)
    if virtio is not None and virtio[1] in VIRTIO_SECTIONS:
        tree.virtio.append(Found(f"{where}/{VIRTIO_SECTIONS[virtio[1]]}", path, f"{path}/virtio-backend", express))
    elif kind in ("pxb", "pxb-pcie", "pxb-cxl"):
        tree.words.append(f"{where} is a {kind}: what is on the root bus that it brings is not looked at")
    elif kind in SECTIONS or kind in BOARD_SECTIONS:
        tree.others += [f"{where}/{section}" for section in BOARD_SECTIONS.get(kind, SECTIONS.get(kind, ()))]
    else:
        tree.words.append(f"{where} is a {kind}: what its section is called is not known here")


def _mmio(qmp: Asked, path: str, tree: Tree) -> None:
    for bus, kind in _children(qmp, path):
        if kind != "virtio-mmio-bus":
            continue
        for device, device_kind in _plugged(qmp, bus):
            base = device_kind.removesuffix("-device")
            address = qmp.execute("qom-get", path=f"{path}/virtio-mmio[0]", property="addr")
            if base in VIRTIO_SECTIONS:
                idstr = f"virtio-mmio@{int(address):016x}/{VIRTIO_SECTIONS[base]}"
                tree.virtio.append(Found(idstr, device, device, mmio=True))
