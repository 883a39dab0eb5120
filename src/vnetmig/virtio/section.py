"""From a section's header and first bytes to the programs that may decode it.

Knows which virtio devices are described and what their programs' parameters follow from (the PCI config space, the
idstr); knows no stream framing: it is handed bytes and the judge of where a payload may end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from vnetmig.virtio import balloon, block, console, net, plain
from vnetmig.virtio.pci_config import CONFIG_SIZE, EXPRESS_CONFIG_SIZE, is_express, msix_vectors
from vnetmig.vmstate import Program, Record, Vmsd
from vnetmig.vmstate.trial import Candidate, Judge, Resolved, resolve
from vnetmig.vmstate.versions import check_version

#                  idstr ends with      description            parameters tried beyond the transport's
SECTIONS: dict[str, tuple[Vmsd, tuple[str, ...]]] = {
    "virtio-net": (net.SECTION, ("multiqueue",)),
    "virtio-console": (console.SECTION, ("packed_elements",)),
    "virtio-blk": (block.SECTION, ("packed_elements",)),
    "virtio-scsi": (plain.SCSI_SECTION, ()),
    "virtio-balloon": (balloon.SECTION, ()),
    "virtio-rng": (plain.RNG_SECTION, ()),
}

_MEANING = {
    "multiqueue": ("one backend queue pair", "more than one backend queue pair"),
    "packed_elements": ("in-flight elements without ndescs", "in-flight elements with ndescs (packed rings offered)"),
}

HEAD_BYTES = 4 + CONFIG_SIZE
"""What must have arrived before the transport is known: PCIDevice version and the standard config space."""

_CCW_PATH = re.compile(r"/?[0-9a-f]+\.[0-9]\.[0-9a-f]{4}/")
"""s390x channel devices have a transport of their own, which is not described here."""

_PCI_VENDOR_VIRTIO = b"\xf4\x1a"


@lru_cache(maxsize=1024)
def device_of(idstr: str) -> str | None:
    """The described virtio device that a section's idstr names, or None.

    >>> device_of("0000:00:03.0/virtio-net")
    'virtio-net'
    """
    name = idstr.rpartition("/")[2]
    return name if name in SECTIONS and not _CCW_PATH.match(idstr) else None


def describes(record: Record) -> bool:
    """Were these values read by a description of this table?"""
    vmsd = record.program.vmsd
    return vmsd.name in SECTIONS and SECTIONS[vmsd.name][0] is vmsd


@lru_cache(maxsize=512)
def program(device: str, version: int, params: tuple[tuple[str, int], ...]) -> Program:
    """The compiled program of a device's section; kept, since guests of one kind share it."""
    return Program(SECTIONS[device][0], dict(params), version)


def _transports(idstr: str, head: bytes) -> list[tuple[dict[str, int], tuple[str, ...]]]:
    """Transport parameters that the idstr and the first bytes allow, likeliest first."""
    mmio = {"mmio": 1, "config_size": CONFIG_SIZE, "vectors": 0}
    if head[4:6] != _PCI_VENDOR_VIRTIO or idstr.startswith("virtio-mmio@"):
        return [(mmio, () if idstr.startswith("virtio-mmio@") else ("virtio-mmio transport",))]
    config = head[4:HEAD_BYTES]
    size = EXPRESS_CONFIG_SIZE if is_express(config) else CONFIG_SIZE
    return [({"mmio": 0, "config_size": size, "vectors": msix_vectors(config) or 0}, ())]


def candidates(idstr: str, version: int, head: bytes) -> list[Candidate]:
    """The programs to try for a section, in fixed order."""
    device = device_of(idstr)
    if device is None:
        raise ValueError(f"'{idstr}' is no described virtio device")
    tried = SECTIONS[device][1]
    found = []
    for base, assumed in _transports(idstr, head):
        for bits in range(1 << len(tried)):
            extra = {name: bits >> i & 1 for i, name in enumerate(tried)}
            words = tuple(_MEANING[name][value] for name, value in extra.items())
            params = tuple(sorted({**base, **extra}.items()))
            found.append(Candidate(program(device, version, params), (*assumed, *words)))
    return found


def _prefer(record: Record) -> int:
    """Rank of a record that fits: what its own values speak for, where two readings are possible."""
    multiqueue = record.program.params.get("multiqueue")
    if multiqueue is None:
        packed = record.program.params.get("packed_elements")
        return int(packed == int("packed_virtqueues.#version" in record or "packed_virtqueues.vq[0].inuse" in record))
    queues = record["num_queues"]
    speaks_for_many = isinstance(queues, int) and queues > 3
    pairs = record.get("config.max_virtqueue_pairs", 0)
    speaks_for_many = speaks_for_many or (isinstance(pairs, int) and pairs > 1)
    return int(bool(multiqueue) == speaks_for_many)


def resolver(idstr: str, version: int) -> Callable[..., Resolved | int] | None:
    """A function (data, ends, final=, engine=) -> Resolved | int for the section, or None if it is not described.
    An int is the least number of bytes that is of use (see vmstate.trial).

    A section version that is not the described one is refused as QEMU does: StreamError.
    """
    device = device_of(idstr)
    if device is None:
        return None
    vmsd = SECTIONS[device][0]

    def run(
        data: bytes | bytearray | memoryview, ends: Judge, *, final: bool, engine: str | None = None
    ) -> Resolved | int:
        check_version(vmsd, idstr, version)
        head = bytes(data[:HEAD_BYTES])
        if len(head) < HEAD_BYTES and not final and not idstr.startswith("virtio-mmio@"):
            return HEAD_BYTES
        return resolve(candidates(idstr, version, head), data, ends, final=final, prefer=_prefer, engine=engine)

    return run
