"""One device of a machine: its name in the stream, and its state as values, or as bytes when nothing describes it.

Knows records, rings and section headers; knows no stream and no kind of device.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from vnetmig.errors import MigrationError
from vnetmig.stream.payload import SectionHeader
from vnetmig.virtio.rings import RingState
from vnetmig.virtio.section import describes
from vnetmig.vmstate.record import Record


class DescribedBy(str, enum.Enum):
    """Where the meaning of a device's bytes comes from."""

    VIRTIO = "virtio"  #: a description of this package
    REGISTERED = "registered"  #: a description that was registered
    VMDESC = "vmdescription"  #: the stream's own
    NOTHING = "nothing"  #: bytes, kept as they came

    @classmethod
    def of(cls, record: Record) -> DescribedBy:
        """Of values that a decoder made; those that a vmdescription explains come later."""
        return cls.VIRTIO if describes(record) else cls.REGISTERED


@dataclass(slots=True)
class Device:
    """``setup_state``: what the device held when the migration was set up, where a recorded stream tells;
    None: the same as now. ``early``: saved in the setup phase and not at the end. ``vhost_started``: its rings are run
    by vhost, and the indices of ``state`` are stale.
    """

    idstr: str
    instance_id: int
    version_id: int
    section_id: int
    state: Record | bytes | None = None
    described_by: DescribedBy = DescribedBy.NOTHING
    early: bool = False
    setup_state: Record | None = None
    vhost_started: bool = False
    rings: tuple[RingState, ...] = field(default=(), repr=False)
    """What a destination found in the rings: after a provisional load their indices are zero."""

    @classmethod
    def of(cls, header: SectionHeader) -> Device:
        return cls(header.idstr, header.instance_id, header.version_id, header.section_id)

    def final_state(self) -> Record | bytes:
        """Its state with the guest stopped. MigrationError while vhost still runs its rings."""
        if self.vhost_started:
            # qemu: hw/net/virtio-net.c:virtio_net_pre_save
            raise MigrationError("virtio_net_pre_save: Assertion `!n->vhost_started' failed.")
        return self._known(self.state)

    def state_at_setup(self) -> Record | bytes:
        """The same while the guest was still running; with vhost started everything but ring indices holds."""
        return self._known(self.setup_state or self.state)

    def save(self, *, engine: str | None = None) -> bytes:
        """The payload of its section, from values."""
        return encoded(self.final_state(), engine)

    def save_at_setup(self, *, engine: str | None = None) -> bytes:
        """The payload while the guest runs."""
        return encoded(self.state_at_setup(), engine)

    def _known(self, state: Record | bytes | None) -> Record | bytes:
        if state is None:
            raise MigrationError(f"'{self.idstr}' has no state yet")
        return state


def encoded(state: Record | bytes, engine: str | None) -> bytes:
    """The bytes of a state."""
    return state.save(engine=engine) if isinstance(state, Record) else state
