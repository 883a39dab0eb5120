"""Ctrl-C at moments of its own choosing: not in the middle of a conversation with QEMU, which could not be ended then.

Knows time; nothing of what is interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from vnetmig.qemu.interrupts import Interrupts

SLICE_SECONDS: Final = 0.02

Pause = Callable[[float], None]


@contextmanager
def held_back() -> Iterator[Pause]:
    """``pause(seconds)``: only in it, a signal that came meanwhile becomes a KeyboardInterrupt.

    In a thread that gets no signals it is a plain sleep.
    """
    with Interrupts() as interrupts:

        def pause(seconds: float) -> None:
            deadline = time.monotonic() + seconds
            interrupts.look()
            while (left := deadline - time.monotonic()) > 0:
                time.sleep(min(left, SLICE_SECONDS))
                interrupts.look()

        yield pause
