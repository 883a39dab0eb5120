"""The state of an acme ring controller as it stands on the wire, and the device that saves itself so.

Knows its own fields; reading and writing them on both engines is vnetmig's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vnetmig.vmstate import MAC, UINT8, UINT16, UINT32, UINT64, Field, Program, Ref, Struct, Vmsd

TIMESTAMPS = 0x1
"""Bit of ``features``: every descriptor carries a time."""

_DESCRIPTOR = Vmsd(
    "acme-ring/descriptor",
    1,
    (
        Field("address", UINT64),
        Field("length", UINT32),
        Field("time", UINT64, when=(Ref("features") & TIMESTAMPS) != 0),
    ),
)

_IRQ = Vmsd("acme-ring/irq", 1, (Field("pending", UINT32), Field("mask", UINT32)))

RING = Vmsd(
    "acme-ring",
    2,
    (
        Field("status", UINT8),
        Field("features", UINT32),
        Field("mac", MAC),
        Field("number", UINT16),
        Struct(
            "descriptors", _DESCRIPTOR, count=Ref("number"), limit=1024, complaint="acme-ring: too many descriptors"
        ),
        Field("watermark", UINT16, since=2),
    ),
    subsections=(_IRQ,),
    minimum_version=1,
)


@dataclass
class AcmeRing:
    """``descriptors``: (address, length, time). ``pending``: interrupts that the guest has not seen."""

    mac: str = "02:ac:3e:00:00:01"
    status: int = 1
    features: int = TIMESTAMPS
    watermark: int = 16
    pending: int = 0
    descriptors: list[tuple[int, int, int]] = field(default_factory=list)

    def irq_needed(self) -> bool:
        """Is the subsection sent? A destination without it starts with no interrupt pending."""
        return self.pending != 0

    def save(self, version: int = RING.version) -> bytes:
        """The payload of its section."""
        record = Program(RING, version=version).new_record()
        record["status"], record["features"], record["mac"] = self.status, self.features, self.mac
        record.resize("descriptors", len(self.descriptors))
        for index, (address, length, time) in enumerate(self.descriptors):
            record[f"descriptors[{index}].address"], record[f"descriptors[{index}].length"] = address, length
            if self.features & TIMESTAMPS:
                record[f"descriptors[{index}].time"] = time
        if version >= 2:
            record["watermark"] = self.watermark
        if self.irq_needed():
            record.add("irq")
            record["irq.pending"] = self.pending
        return record.save()
