"""What any two instants of one running machine differ in: clocks, registers, ring indices.

Knows field paths by name and why they move; compares nothing. A difference in one of these says that time has passed,
not that the machines are two. The rows are what captures two seconds apart differ in, and their neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

TIMER_TYPE = "timer"
"""Type of a field that holds when a timer expires (qemu: migration/vmstate.h:vmstate_info_timer)."""

_RTC_CLOCK = frozenset((*range(0x0A), 0x0A, 0x0C, 0x32))
"""Bytes of the RTC's memory that go with the clock: time, alarm, update-in-progress, interrupt flags, century."""


@dataclass(frozen=True, slots=True)
class Churn:
    """Fields that move. ``device``: the end of an idstr behind its last ``/``; ``path``: without indices; both may hold
    ``*``. ``bytes``: of a buffer only these move."""

    device: str
    path: str
    why: str
    bytes: frozenset[int] | None = None


#     device           path                                          what moves
TABLE = (
    Churn("virtio-*", "vq.last_avail_idx", "ring indices"),
    Churn("virtio-*", "packed_virtqueues.vq.*", "ring indices"),
    Churn("virtio-*", "isr", "interrupts"),
    Churn("virtio-*", "msix_pba.*", "interrupts"),
    Churn("virtio-*", "pci.irq_state", "interrupts"),
    Churn("virtio-*", "pci.config.status", "interrupts"),
    Churn("virtio-net", "tx_waiting", "packets that wait"),
    Churn("virtio-net", "tx_waiting_of_pair", "packets that wait"),
    Churn("timer", "*", "clocks"),
    Churn("kvmclock", "clock", "clocks"),
    Churn("hpet", "hpet_counter", "clocks"),
    Churn("hpet", "timer.cmp", "clocks"),
    Churn("hpet", "timer.qemu_timer", "clocks"),
    Churn("hpet", "isr", "interrupts"),
    Churn("mc146818rtc", "cmos_data", "clocks", _RTC_CLOCK),
    Churn("mc146818rtc", "next_*_time", "clocks"),
    Churn("mc146818rtc", "last_update", "clocks"),
    Churn("i8254", "channels.*_time", "clocks"),
    Churn("i8254", "channels_0_next_transition_time", "clocks"),
    Churn("apic", "initial_count*", "clocks"),
    Churn("apic", "next_time", "clocks"),
    Churn("apic", "timer_expiry", "clocks"),
    Churn("apic", "irr", "interrupts"),
    Churn("apic", "isr", "interrupts"),
    Churn("ioapic", "irr", "interrupts"),
    Churn("i8259", "irr", "interrupts"),
    Churn("i8259", "isr", "interrupts"),
    Churn("i8259", "last_irr", "interrupts"),
    Churn("piix4_pm", "ar.tmr.*", "clocks"),
    Churn("piix4_pm", "ar.pm1.evt.sts", "clocks"),
    Churn("cpu_common", "halted", "registers"),
    Churn("cpu_common", "interrupt_request", "registers"),
    Churn("cpu", "env.regs", "registers"),
    Churn("cpu", "env.eip", "registers"),
    Churn("cpu", "env.eflags", "registers"),
    Churn("cpu", "env.hflags", "registers"),
    Churn("cpu", "*env.fp*", "registers"),
    Churn("cpu", "env.xmm_regs.*", "registers"),
    Churn("cpu", "env.segs.*", "registers"),
    Churn("cpu", "env.cr", "registers"),
    Churn("cpu", "env.dr", "registers"),
    Churn("cpu", "env.tsc*", "clocks"),
    Churn("cpu", "*.env.tsc*", "clocks"),
    Churn("cpu", "env.exception_nr", "registers"),
    Churn("cpu", "env.mxcsr", "registers"),
    Churn("slirp", "*", "user networking"),
)

_INDEX = re.compile(r"\[\d+\]")


@lru_cache(maxsize=64)
def _rows_of(device: str) -> tuple[tuple[Callable[[str], object], Churn], ...]:
    return tuple((_matcher(row.path), row) for row in TABLE if fnmatchcase(device, row.device))


def _matcher(pattern: str) -> Callable[[str], object]:
    return lambda path: fnmatchcase(path, pattern)


def churn_of(idstr: str, path: str, kind: str = "", moved: frozenset[int] | None = None) -> str | None:
    """What moves in the field at ``path``; None when two instants of one machine have the same value there.

    ``kind`` is the field's type; ``moved`` the positions of the bytes that differ in a buffer, if it is one.

    >>> churn_of("0000:00:03.0/virtio-net", "vq[2].last_avail_idx"), churn_of("0000:00:03.0/virtio-net", "vq[2].num")
    ('ring indices', None)
    """
    if kind == TIMER_TYPE:
        return "clocks"
    name = _INDEX.sub("", path)
    for matches, row in _rows_of(idstr.rpartition("/")[2]):
        if matches(name) and (row.bytes is None or (moved is not None and moved <= row.bytes)):
            return row.why
    return None
