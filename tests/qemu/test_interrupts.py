"""A signal waits for where it may interrupt, and is not lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from vnetmig.qemu.interrupts import Interrupts


def test_it_waits_and_then_comes() -> None:
    done = []

    def work() -> None:
        with Interrupts() as interrupts:
            interrupts.look()
            signal.raise_signal(signal.SIGINT)
            done.append("what must not be interrupted")
            interrupts.look()
            done.append("what may be")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["what must not be interrupted"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nobody_looked() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)


def test_errors_come_first() -> None:
    def work() -> None:
        with Interrupts():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("what went wrong")

    with pytest.raises(ValueError, match="what went wrong"):
        work()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_ends_of_the_signal_that_came(number: int) -> None:
    code = f"""
import signal
from vnetmig.qemu.interrupts import Interrupts
with Interrupts() as interrupts:
    signal.raise_signal({number})
    try:
        interrupts.look()
    finally:
        print("put back", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (-number, "put back\n")


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
            interrupts.look()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_thread_there_are_none() -> None:
    def look() -> None:
        with Interrupts() as interrupts:
            interrupts.look()
            looked.append(signal.getsignal(signal.SIGINT))

    looked: list[object] = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert looked == [signal.default_int_handler]
