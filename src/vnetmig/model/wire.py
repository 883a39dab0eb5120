"""The network on the other side of a device.

Knows frames; knows no device but as somebody who takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Receive = Callable[[bytes, int], bool]
"""(Ethernet frame, queue pair that the backend chose) -> whether the device has dealt with it."""


class Wire(Protocol):
    """Where the device sends frames to, and who sends frames to it."""

    def attach(self, receive: Receive) -> None:
        """The device is there: give it frames by ``receive`` from now on."""

    def transmit(self, pair: int, frame: bytes) -> None:
        """The device sends ``frame``."""

    def ready(self, pair: int) -> None:
        """The driver has given the device new receive buffers."""


class SilentWire:
    """Nobody answers; what was sent is kept."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []

    def attach(self, receive: Receive) -> None:
        self.receive = receive

    def transmit(self, pair: int, frame: bytes) -> None:
        self.sent.append((pair, frame))

    def ready(self, pair: int) -> None:
        pass


class EchoWire:
    """Sends every frame back at once, source and destination swapped, to the queue pair it came from.

    A frame that the device does not take is dropped and counted: a guest that has given enough buffers loses none.
    """

    def __init__(self) -> None:
        self.echoed = 0
        self.dropped = 0

    def attach(self, receive: Receive) -> None:
        self._receive = receive

    def transmit(self, pair: int, frame: bytes) -> None:
        if self._receive(frame[6:12] + frame[:6] + frame[12:], pair):
            self.echoed += 1
        else:
            self.dropped += 1

    def ready(self, pair: int) -> None:
        pass
