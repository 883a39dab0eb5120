"""What the sections and devices of one stream have in common: engine, configuration, guest memory, vmdescription.

Knows nothing of the stream that they stand in. Sections and device views hold this and not the stream, which holds
them: no circle, so whoever reads thousands of streams has the memory of one back as soon as he lets go of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock

from vnetmig.errors import StreamError
from vnetmig.stream.configuration import ConfigurationBody
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.payload import Payload
from vnetmig.stream.vmdescription import Description, DeviceDescription

IGNORE_SHARED = "x-ignore-shared"


class Context:
    """Filled as the stream is read."""

    def __init__(self, engine: str | None) -> None:
        self.engine = engine
        self.configuration: ConfigurationBody | None = None
        self.description: Description | None = None
        self.ram: list[Payload] | None = None
        """The payloads of the stream's ``ram`` sections; None when it has none."""
        self.making = RLock()
        """Held while something is made that two threads must not get one each of, to change: records, views, memory."""
        self._memory: GuestMemory | None = None
        self._described: Mapping[tuple[str, int, int], DeviceDescription] | None = None

    def again(self) -> Context:
        """A context for the same stream's events, read once more; guest memory that is known stays."""
        fresh = Context(self.engine)
        fresh._memory = self._memory
        return fresh

    @property
    def machine(self) -> str | None:
        """The machine type."""
        return self.configuration.machine_type if self.configuration is not None else None

    @property
    def memory(self) -> GuestMemory | None:
        """Guest memory: given, or the stream's own RAM (put together when first asked for)."""
        if self._memory is None and self.ram is not None and not self.is_elsewhere:
            with self.making:
                if self._memory is None:
                    self._memory = GuestMemory.from_ram_words(self.ram, machine=self.machine or "pc")
        return self._memory

    @memory.setter
    def memory(self, memory: GuestMemory | None) -> None:
        self._memory = memory

    @property
    def is_elsewhere(self) -> bool:
        """Is the guest's RAM shared with the destination, and not in the stream?"""
        return self.configuration is not None and IGNORE_SHARED in self.configuration.capabilities

    def described(self, idstr: str, instance_id: int, occurrence: int) -> DeviceDescription | None:
        """What the stream's own description says about a FULL section: the ``occurrence``-th of this name."""
        if self._described is None:
            if self.description is None:
                return None
            try:
                self._described = self.description.by_key
            except StreamError:
                self._described = {}
        return self._described.get((idstr, instance_id, occurrence))
