"""Sending no faster than a given bandwidth while the guest runs.

Knows bytes and a clock; knows no stream. The guest's stop is not slowed down: QEMU lifts the limit then too.
"""

from __future__ import annotations

import time


class Pace:
    """``wait`` after every piece; None as bandwidth (bytes per second) never waits."""

    def __init__(self, bandwidth: int | None) -> None:
        self._bandwidth = bandwidth
        self._due = time.monotonic()

    def wait(self, size: int) -> None:
        """Wait until ``size`` more bytes are allowed."""
        if self._bandwidth is None:
            return
        now = time.monotonic()
        self._due = max(self._due, now) + size / self._bandwidth
        if self._due > now:
            time.sleep(self._due - now)
