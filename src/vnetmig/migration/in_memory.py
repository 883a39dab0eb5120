"""A channel to a destination in the same process: what is sent is loaded at once, and answered at once.

Knows the channel's contract; knows no mode and no device.
"""

from __future__ import annotations

from vnetmig.migration.destination import Destination


class InMemoryChannel:
    """Keeps ``run.Channel`` for a source; the other end is ``destination``."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self._answers = bytearray()

    def send(self, data: bytes) -> None:
        self.destination.feed(data)

    def receive(self, limit: int) -> bytes:
        """Nothing when the destination has nothing to say: it never says anything by itself."""
        self._answers += self.destination.answer()
        taken = bytes(self._answers[:limit])
        del self._answers[:limit]
        return taken

    def ready(self) -> bool:
        self._answers += self.destination.answer()
        return bool(self._answers)

    def finish(self) -> None:
        self.destination.close()

    def close(self) -> None:
        self.destination.close()
