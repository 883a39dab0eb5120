"""Is what the destination saves the same as what the source sent? Every difference, not the first only.

Knows sections as both sides report them; knows no device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vnetmig.migration.result import Result, SectionResult


@dataclass(frozen=True, slots=True)
class Sent:
    """One section as the source wrote it. ``data``: its payload, or the state that the payload makes of what is there;
    ``early``: while the guest was running; ``size``: bytes of the whole section on the wire."""

    idstr: str
    instance_id: int
    section_id: int
    version_id: int
    data: bytes
    save_ns: int
    early: bool = False
    size: int = 0

    @property
    def key(self) -> tuple[str, int, int, int, bool]:
        return self.idstr, self.instance_id, self.section_id, self.version_id, self.early


@dataclass(frozen=True, slots=True)
class Difference:
    """``offset``: of the first byte that differs in the section's payload; None when it is not about its bytes."""

    idstr: str
    instance_id: int
    message: str
    offset: int | None = None

    def __str__(self) -> str:
        name = f"{self.idstr}#{self.instance_id}" if self.instance_id else self.idstr
        return f"{name}: {self.message}"


def compare(sent: Sequence[Sent], digest: str, result: Result) -> tuple[Difference, ...]:
    """Every section in which the destination differs; or the stream itself, when only bytes outside of the devices
    (RAM, the vmdescription, framing) changed on the way."""
    found = [_compare(ours, theirs) for ours, theirs in zip(sent, result.sections, strict=False)]
    differences = [difference for difference in found if difference is not None]
    for ours in sent[len(result.sections) :]:
        differences.append(Difference(ours.idstr, ours.instance_id, "the destination does not have it"))
    for theirs in result.sections[len(sent) :]:
        differences.append(Difference(theirs.idstr, theirs.instance_id, "the source never sent it"))
    if not differences and digest != result.digest:
        differences.append(Difference("stream", 0, "other bytes arrived than were sent; no device differs"))
    return tuple(differences)


def _compare(ours: Sent, theirs: SectionResult) -> Difference | None:
    key = (theirs.idstr, theirs.instance_id, theirs.section_id, theirs.version_id, theirs.early)
    if ours.key != key:
        return Difference(ours.idstr, ours.instance_id, f"sent as {ours.key}, received as {key}")
    data = theirs.data
    if ours.data == data:
        return None
    offset = next((i for i, (a, b) in enumerate(zip(ours.data, data, strict=False)) if a != b), None)
    if offset is None:
        offset = min(len(ours.data), len(data))
        return Difference(ours.idstr, ours.instance_id, f"{len(ours.data)} bytes sent, {len(data)} saved again", offset)
    message = f"byte {offset:#x} of {len(ours.data)} is {data[offset]:#04x}, sent was {ours.data[offset]:#04x}"
    return Difference(ours.idstr, ours.instance_id, message, offset)
