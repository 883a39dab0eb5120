"""virtio-net in stages: the RFC's nine hooks, and what they keep between calls.

Source: "[RFC 0/6] virtio-net: initial iterative live migration support" (2025-07-22), patches 3 to 6: START carries the
whole state while the guest runs, every PART and the END say NO_DATA, and the ordinary FULL section follows unchanged.
Knows flags and order; the bytes between the flags are the device's. Unlike the RFC, which ignores what an inner load
returns, every error goes out as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vnetmig.errors import StreamError
from vnetmig.migration.decoders import Decoders
from vnetmig.migration.device import DescribedBy, Device
from vnetmig.migration.handlers import FINISHED, LoadFile, QuietHandlers, SaveFile
from vnetmig.stream import framing
from vnetmig.stream.iterative import END_DATA, IDSTR_SUFFIX, INIT_STATE, NO_DATA, SECTION_VERSION, IterativeData
from vnetmig.stream.payload import SectionHeader

__all__ = ["IDSTR_SUFFIX", "SECTION_VERSION", "NetHandlers", "NetMigration", "VirtIODevMigration"]


@dataclass(slots=True)
class VirtIODevMigration:
    """What exists of a device only while it migrates (RFC patches 5 and 6).

    Until ``iterative_vmstate_sent`` a save may happen with vhost running. ``iterative_vmstate_loaded``: a state came.
    The RFC decides by it whether a load looks at the rings, so a second early state breaks the device; here that
    follows from the section: no early state does, the final one always does.
    """

    iterative_vmstate_sent: bool = False
    iterative_vmstate_loaded: bool = False


@dataclass(slots=True)
class NetMigration:
    """The opaque of the hooks: one virtio-net. ``iterative``: the capability is on."""

    device: Device
    iterative: bool = True
    engine: str | None = None
    migration: VirtIODevMigration | None = None


class NetHandlers(QuietHandlers):
    """``opaque`` is a NetMigration."""

    __slots__ = ()

    def is_active(self, opaque: Any) -> bool:
        return bool(opaque.iterative)

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        opaque.migration = VirtIODevMigration()
        file.put_be64(INIT_STATE)
        file.put_buffer(opaque.device.save_at_setup(engine=opaque.engine))
        file.put_be64(END_DATA)
        opaque.migration.iterative_vmstate_sent = True
        return 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        file.put_be64(NO_DATA)
        return FINISHED

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        file.put_be64(NO_DATA)
        return 0

    def save_cleanup(self, opaque: Any) -> None:
        opaque.migration = None

    def load_setup(self, opaque: Any) -> int:
        opaque.migration = VirtIODevMigration()
        return 0

    def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int:
        if opaque.migration is None:  # the RFC's destination crashes here
            raise StreamError(
                f"error while loading state for instance 0x0 of device '{file.idstr}'",
                section=file.idstr,
                expected="the capability virtio-iterative",
                got="an iterative section without it",
                code="capability",
            )
        for state in self._understood(file, opaque).states:
            opaque.device.state = state.record
            opaque.device.described_by = DescribedBy.VIRTIO
            opaque.migration.iterative_vmstate_loaded = True
        return 0

    def load_cleanup(self, opaque: Any) -> int:
        opaque.migration = None
        return 0

    def _understood(self, file: LoadFile, opaque: Any) -> IterativeData:
        """The payload as flags and states, decoded here if nobody did."""
        if isinstance(file.payload, IterativeData):
            return file.payload
        data = file.get_buffer(file.left)
        device = opaque.device
        header = SectionHeader(
            framing.SECTION_START, device.section_id, file.idstr, device.instance_id, SECTION_VERSION
        )
        decoder = Decoders(opaque.engine)(header)
        decoded = decoder and decoder.decode(
            memoryview(data), len(data).__eq__, kind=framing.SECTION_START, offset=0, final=True
        )
        if not decoded or not isinstance(decoded.payload, IterativeData) or decoded.size != len(data):
            raise StreamError(
                f"error while loading state for instance 0x0 of device '{file.idstr}'",
                section=file.idstr,
                expected="flags and states of a virtio-net, and nothing behind END_DATA",
                got=f"{len(data)} bytes",
            )
        return decoded.payload
