"""Signals that ask for the end wait until what was changed elsewhere is put back.

Knows signals; knows nothing of what is put back.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """``with Interrupts() as interrupts:`` nothing is interrupted but where ``look`` is called.

    When the block ends, the signal that came does what it would have done. In other threads than the main one signals
    are none of ours, and ``look`` never raises.
    """

    def __init__(self) -> None:
        self._came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._came is not None and (self._came != signal.SIGINT or kind is None):
            signal.raise_signal(self._came)

    def look(self) -> None:
        """KeyboardInterrupt when a signal has come; that is all that becomes of a SIGINT."""
        came = self._came
        if came is not None:
            if came == signal.SIGINT:
                self._came = None
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = number
