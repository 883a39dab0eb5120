"""One device of a machine: its name in the stream, and its state as values, or as bytes when nothing describes it.

Knows records and section headers; knows no stream and no kind of device.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vnetmig.errors import MigrationError
from vnetmig.stream.payload import SectionHeader
from vnetmig.vmstate.record import Record


class DescribedBy(str, enum.Enum):
    """Where the meaning of a device's bytes comes from."""

    VIRTIO = "virtio"  #: a description of this package
    VMDESC = "vmdescription"  #: the stream's own
    NOTHING = "nothing"  #: bytes, kept as they came


@dataclass(slots=True)
class Device:
    """``setup_state``: what the device held when the migration was set up, where a recorded stream tells;
    None: the same as now. ``early``: saved in the setup phase and not at the end."""

    idstr: str
    instance_id: int
    version_id: int
    section_id: int
    state: Record | bytes | None = None
    described_by: DescribedBy = DescribedBy.NOTHING
    early: bool = False
    setup_state: Record | None = None

    @classmethod
    def of(cls, header: SectionHeader) -> Device:
        return cls(header.idstr, header.instance_id, header.version_id, header.section_id)

    def save(self, *, engine: str | None = None) -> bytes:
        """The payload of its section, from values."""
        return self._bytes(self.state, engine)

    def save_at_setup(self, *, engine: str | None = None) -> bytes:
        """The same for its state while the guest was still running."""
        return self._bytes(self.setup_state or self.state, engine)

    def _bytes(self, state: Record | bytes | None, engine: str | None) -> bytes:
        if state is None:
            raise MigrationError(f"'{self.idstr}' has no state yet")
        return state.save(engine=engine) if isinstance(state, Record) else state
