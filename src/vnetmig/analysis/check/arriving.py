"""One device's state on its way into a destination: the values that came, and the device that waits for them.

Knows how to reach both; knows no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from vnetmig.analysis.profile.profile import DeviceProfile
from vnetmig.analysis.release import Release
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.virtio.rings import Memory, features_in
from vnetmig.vmstate import Record
from vnetmig.vmstate.table import Part, parts


@dataclass(frozen=True)
class Arriving:
    """A virtio device's values as the destination reads them. ``base`` is the stream offset of the first."""

    release: Release
    idstr: str
    kind: str
    instance: int
    there: DeviceProfile
    record: Record
    base: int
    memory: Memory | None
    came_from: DeviceProfile | None = None  #: the device at the source, where that is known
    engine: str | None = None
    claimed: Mapping[str, int] = field(default_factory=dict)  #: counts that could not be taken as they came, by path

    @cached_property
    def parts(self) -> dict[str, Part]:
        return parts(self.record)

    @cached_property
    def queues(self) -> dict[str, tuple[int, ...]]:
        """Field -> its value in each queue, of num, desc, last_avail_idx, vector."""
        return self.parts[""].columns("vq", QUEUE_MAX)

    @cached_property
    def guest_features(self) -> int:
        """As the loader puts them together."""
        return features_in(self.parts)

    def number(self, name: str, part: str = "") -> int | None:
        """A value of the device itself, or of one of its subsections; None when it did not come."""
        there = self.parts.get(part)
        return None if there is None else there.value(name)

    def content(self, path: str) -> bytes:
        value = self.record.get(path, b"")
        return value if isinstance(value, bytes) else b""
