"""Ctrl-C at moments of its own choosing: not in the middle of a conversation with QEMU, which could not be ended then.

Knows signals and time; nothing of what is interrupted.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SLICE_SECONDS: Final = 0.02

Pause = Callable[[float], None]


@contextmanager
def held_back() -> Iterator[Pause]:
    """``pause(seconds)``: only in it, a SIGINT that came meanwhile becomes a KeyboardInterrupt.

    In a thread that gets no signals it is a plain sleep.
    """
    if threading.current_thread() is not threading.main_thread():
        yield time.sleep
        return
    came = False

    def remember(number: int, frame: object) -> None:
        nonlocal came
        came = True

    def pause(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not came and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, SLICE_SECONDS))
        if came:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield pause
    finally:
        signal.signal(signal.SIGINT, before)
