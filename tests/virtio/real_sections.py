"""PCI device sections of real streams, found by their headers alone.

These tests are about bytes inside a section; they must not lean on the stream reader or the virtio
decoder, so this finds the sections by pattern: every match is checked against what QEMU said over QMP.
"""

from __future__ import annotations

import json
import lzma
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from vnetmig.virtio.pci_config import is_express, msix_vectors

# SECTION_FULL, section id, idstr, instance id, version id; then PCIDevice's own version, always 2.
HEADER = re.compile(rb"\x04.{4}(.)(0000:[0-9a-f:.]+/[0-9a-zA-Z_-]+).{4}.{4}(?=\0\0\0\x02)", re.DOTALL)
INTX_STATE = 16  # bytes behind the configuration space


class PciSection(NamedTuple):
    idstr: str
    config: bytes
    rest: bytes
    """What follows the configuration space and the INTx state, to the end of the stream."""

    @property
    def device(self) -> str:
        return self.idstr.rpartition("/")[2]

    @property
    def slot(self) -> tuple[int, int]:
        """Slot and function on the device's own bus."""
        slot, function = self.idstr.rpartition("/")[0].split(":")[-1].split(".")
        return int(slot, 16), int(function, 16)


class VirtioHead(NamedTuple):
    """The start of the virtio part of a section (device config as QEMU cached it)."""

    msix_table: bytes
    msix_pending: bytes
    features_low: int
    features: int
    config: bytes


@lru_cache(maxsize=2)
def pci_sections(capture: Path) -> tuple[PciSection, ...]:
    data = b""
    for path in capture.glob("stream.bin*"):
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    found = []
    for match in HEADER.finditer(data):
        if match[1][0] != len(match[2]):
            continue
        start = match.end() + 4
        size = 4096 if is_express(data[start : start + 256]) else 256
        config, rest = data[start : start + size], data[start + size + INTX_STATE :]
        found.append(PciSection(match[2].decode(), config, rest))
    return tuple(found)


def virtio_sections(capture: Path) -> list[PciSection]:
    return [section for section in pci_sections(capture) if section.device.startswith("virtio-")]


def virtio_head(section: PciSection) -> VirtioHead:
    vectors = msix_vectors(section.config)
    table = 16 * (vectors or 0)
    pending = -(-(vectors or 0) // 8)
    head = table + pending + (2 if vectors else 0)
    low = int.from_bytes(section.rest[head + 4 : head + 8], "big")
    size = int.from_bytes(section.rest[head + 8 : head + 12], "big")
    return VirtioHead(
        section.rest[:table],
        section.rest[table : table + pending],
        low,
        _all_features(section.rest, low),
        section.rest[head + 12 : head + 12 + size],
    )


def _all_features(rest: bytes, low: int) -> int:
    """The 64-bit features, from the section's own subsection if it has one."""
    name = b"\x05\x15virtio/64bit_features\0\0\0\x01"
    following = HEADER.search(rest)
    at = rest.find(name, 0, following.start() if following else len(rest))
    return low if at < 0 else int.from_bytes(rest[at + len(name) : at + len(name) + 8], "big")


@lru_cache(maxsize=2)
def truth(capture: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((capture / "truth.json").read_text())
    return told
