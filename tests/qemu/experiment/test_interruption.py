"""A Ctrl-C waits for the next pause, ends it early, and is nobody's business afterwards."""

from __future__ import annotations

import signal
import threading

import pytest

from vnetmig.qemu.experiment.interruption import held_back


def test_it_is_raised_in_a_pause_and_not_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with held_back() as pause:
        pause(0)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            pause(3600)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_signal_does_what_it_would_have_done_when_all_is_put_back() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with held_back() as pause:
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                pause(0)
            assert not came
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_it_ends_a_pause() -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with held_back() as pause:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                pause(3600)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_another_thread_only_sleeps() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with held_back() as pause:
            pause(0)
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
