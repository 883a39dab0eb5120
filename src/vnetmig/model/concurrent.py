"""A guest on a thread of its own, as a vCPU is: it does not stop while its device is saved.

Knows how to start, park and end it, and hands on what it failed with; knows no device.
"""

from __future__ import annotations

import threading
import time

from vnetmig.errors import VnetmigError
from vnetmig.model.guest import Guest


class RunningGuest:
    """Calls ``guest.step()`` again and again. ``pause()`` parks it between two steps: then guest memory is complete.

    To migrate: ``pause()`` the guest, then its device, save, copy what is dirty.

    >>> from vnetmig.model.guest_ram import GuestRam
    >>> from vnetmig.model.net_model import NetModel
    >>> from vnetmig.model.wire import EchoWire
    >>> ram = GuestRam(1 << 21)
    >>> with RunningGuest(Guest.boot(ram, NetModel.new(ram, EchoWire()))) as running:
    ...     running.wait_for(100)
    >>> running.steps >= 100
    True
    """

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.steps = 0
        self.failure: BaseException | None = None
        self._change = threading.Condition()
        self._may_run = True
        self._parked = False
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="guest", daemon=True)

    def start(self) -> RunningGuest:
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            while self._goes_on():
                self.guest.step()
                self.steps += 1
                time.sleep(0)  # gives up the interpreter, as a vCPU does not need it all the time
        except BaseException as failure:
            self.failure = failure
        finally:
            with self._change:
                self._ends = self._parked = True
                self._change.notify_all()

    def _goes_on(self) -> bool:
        if self._may_run and not self._ends:
            return True
        with self._change:
            while not self._may_run and not self._ends:
                self._parked = True
                self._change.notify_all()
                self._change.wait()
            self._parked = False
            return not self._ends

    def pause(self) -> None:
        """Wait until the guest stands between two steps, and keep it there. Raises what it failed with, if it did."""
        with self._change:
            self._may_run = False
            self._change.notify_all()
            while self._thread.is_alive() and not self._parked:
                self._change.wait()
        self.check()

    def resume(self) -> None:
        with self._change:
            self._may_run = True
            self._parked = False
            self._change.notify_all()
        self.check()

    def stop(self) -> None:
        """End the thread, between two steps. Raises what the guest failed with, if it did."""
        self._end()
        self.check()

    def _end(self) -> None:
        with self._change:
            self._ends = True
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Raise what the guest failed with, if it did: GuestFailure, mostly."""
        if self.failure is not None:
            raise self.failure

    def wait_for(self, steps: int) -> None:
        """Wait until the guest has done ``steps`` steps more; raises what it failed with."""
        target = self.steps + steps
        while self.steps < target:
            self.check()
            if self._ends:
                raise VnetmigError(f"the guest ended {target - self.steps} steps too early")
            time.sleep(0.0005)
        self.check()

    def __enter__(self) -> RunningGuest:
        return self.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.stop()
        else:
            self._end()
