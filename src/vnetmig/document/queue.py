"""A live view of one virtqueue of a virtio device.

Knows where a queue's values lie in a virtio record; what stands in guest memory is asked of virtio.rings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnetmig.errors import FieldError
from vnetmig.virtio.rings import RingState, check_rings
from vnetmig.vmstate.record import Record

if TYPE_CHECKING:
    from vnetmig.stream.guest_memory import GuestMemory

NO_VECTOR = 0xFFFF


def _number(record: Record, path: str) -> int | None:
    value = record.get(path)
    return value if isinstance(value, int) else None


class Queue:
    """Virtqueue ``index``. Addresses are guest physical; indices are 16-bit and wrap.

    ``used_idx`` and ``inuse`` of a split ring are in guest memory: None unless its page is known.
    """

    __slots__ = ("_memory", "_record", "index")

    def __init__(self, record: Record, index: int, memory: GuestMemory | None) -> None:
        self._record = record
        self._memory = memory
        self.index = index

    def _get(self, name: str) -> int:
        value = self._record[f"vq[{self.index}].{name}"]
        assert isinstance(value, int)
        return value

    @property
    def num(self) -> int:
        """Ring entries."""
        return self._get("num")

    @num.setter
    def num(self, value: int) -> None:
        self._record[f"vq[{self.index}].num"] = value

    @property
    def desc(self) -> int:
        """Address of the descriptor area; 0: the driver has not set the queue up."""
        return self._get("desc")

    @desc.setter
    def desc(self, value: int) -> None:
        self._record[f"vq[{self.index}].desc"] = value

    @property
    def last_avail_idx(self) -> int:
        return self._get("last_avail_idx")

    @last_avail_idx.setter
    def last_avail_idx(self, value: int) -> None:
        self._record[f"vq[{self.index}].last_avail_idx"] = value

    @property
    def vector(self) -> int | None:
        """MSI-X vector (0xffff: none); None when the device has no MSI-X."""
        return _number(self._record, f"vq[{self.index}].vector")

    @vector.setter
    def vector(self, value: int) -> None:
        self._record[f"vq[{self.index}].vector"] = value

    @property
    def avail(self) -> int:
        """Address of the available ring (driver area). Computed for a legacy device."""
        return self.ring.avail

    @avail.setter
    def avail(self, value: int) -> None:
        self._set_address("avail", value)

    @property
    def used(self) -> int:
        """Address of the used ring (device area). Computed for a legacy device."""
        return self.ring.used

    @used.setter
    def used(self, value: int) -> None:
        self._set_address("used", value)

    def _set_address(self, name: str, value: int) -> None:
        path = f"virtqueues.vq[{self.index}].{name}"
        if path not in self._record:
            raise FieldError(f"the {name} address of a legacy queue follows from desc and num: set those")
        self._record[path] = value

    @property
    def ring(self) -> RingState:
        """What virtio_load would make of the ring: indices, entries in flight, verdict."""
        return check_rings(self._record, self._memory)[self.index]

    @property
    def used_idx(self) -> int | None:
        return self.ring.used_idx

    @property
    def inuse(self) -> int | None:
        """Entries taken by the device and not yet given back."""
        return self.ring.inuse

    def __repr__(self) -> str:
        return f"<Queue {self.index} num {self.num} last_avail_idx {self.last_avail_idx}>"
