"""The tables of what each device took: with the guest stopped, before that, and on the clock.

Knows measured runs and statistics over them; compares nothing (against_first.py does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean

from vnetmig.analysis.significance import interval
from vnetmig.migration.timeline import Statistics
from vnetmig.report.blocks import Block, Table, columns
from vnetmig.report.measured import Measured, Value
from vnetmig.report.stop_to_start import PHASES, START, stop_to_start

MOST = 10
"""Devices that are shown by name; the rest are one row, unless all are wanted."""


def microseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e3:.1f}"


def downtime_blocks(measured: Measured, *, everything: bool) -> Iterator[Block]:
    """With the guest stopped: the groups, then device by device."""
    for title, names in measured.groups():
        yield _table(measured, f"{title}, with the guest stopped (microseconds; variance in their square)", names)
    if everything:
        for name in measured.devices:
            yield _table(measured, name, (name,))
    else:
        yield _matrix(measured)


def _table(measured: Measured, title: str, names: Sequence[str] | None) -> Table:
    table = Table(
        title,
        columns(
            "mode",
            ">n",
            ">save",
            ">load",
            ">downtime",
            ">variance",
            ">sigma",
            "95 % interval",
            ">bytes",
            ">early bytes",
        ),
    )
    for mode in measured.modes:
        found = Statistics.of(measured.samples(mode, names))
        if not found.maximum and names is not None:
            continue  # this mode has no such device
        means = (mean(measured, mode, names, value) for value in ("save", "load"))
        sizes = (f"{fmean(measured.samples(mode, names, value)):.0f}" for value in ("bytes", "early_bytes"))
        variance = "-" if found.variance is None else f"{found.variance / 1e6:.1f}"
        sigma = "-" if found.sigma is None else microseconds(found.sigma)
        table.rows.append(
            (mode, str(found.n), *means, microseconds(found.mean), variance, sigma, _interval(found), *sizes)
        )
    return table


def mean(measured: Measured, mode: str, names: Iterable[str] | None, value: Value) -> str:
    return microseconds(fmean(measured.samples(mode, names, value)))


def _interval(found: Statistics) -> str:
    reach = interval(found)
    return "-" if reach is None else f"{microseconds(reach[0])} .. {microseconds(reach[1])}"


def _matrix(measured: Measured) -> Table:
    """Mean and half of the interval, device by mode."""
    shown = measured.devices if len(measured.devices) <= MOST + 1 else measured.devices[:MOST]
    table = Table(
        "each device, with the guest stopped (save + load, microseconds; +- half of the 95 % interval)",
        columns("device", *(f">{mode}" for mode in measured.modes)),
    )
    for name in shown:
        table.rows.append((name, *(_cell(measured, mode, (name,)) for mode in measured.modes)))
    rest = measured.devices[len(shown) :]
    if rest:
        table.rows.append((f"{len(rest)} more", *(_cell(measured, mode, rest) for mode in measured.modes)))
        table.notes.append(
            f"the {len(shown)} that take longest; --all shows every one of {len(measured.devices)} with all its numbers"
        )
    return table


def _cell(measured: Measured, mode: str, names: Sequence[str]) -> str:
    found = Statistics.of(measured.samples(mode, names))
    reach = interval(found)
    return microseconds(found.mean) + ("" if reach is None else f" +-{(reach[1] - reach[0]) / 2e3:5.1f}")


def early_table(measured: Measured) -> Table:
    """Before the stop, while the guest runs."""
    table = Table(
        "before the stop, while the guest runs (microseconds)",
        columns("devices", "mode", ">save", ">load", ">bytes"),
    )
    for title, names in measured.groups():
        for mode in measured.modes:
            size = fmean(measured.samples(mode, names, "early_bytes"))
            if size:
                times = (mean(measured, mode, names, value) for value in ("early_save", "early_load"))
                table.rows.append((title, mode, *times, f"{size:.0f}"))
    return table


def clock_table(measured: Measured) -> Table:
    """From stop to start."""
    names = (*PHASES, START)
    table = Table(
        "from the guest's stop to its start, on the clock (milliseconds)",
        columns("mode", ">n", ">mean", ">sigma", "95 % interval", *(f">{name}" for name in names)),
    )
    for mode, runs in measured.runs.items():
        found = [phases for run in runs if (phases := stop_to_start(run.outcome.timeline)) is not None]
        if not found:
            continue
        whole = Statistics.of([sum(phases.values()) for phases in found])
        reach = interval(whole)
        table.rows.append(
            (
                mode,
                str(whole.n),
                _milliseconds(whole.mean),
                "-" if whole.sigma is None else _milliseconds(whole.sigma),
                "-" if reach is None else f"{_milliseconds(reach[0])} .. {_milliseconds(reach[1])}",
                *(_milliseconds(fmean([phases[name] for phases in found])) for name in names),
            )
        )
    table.notes.append("RAM counts here and in no other table; verify: the destination loads the rest, saves all again")
    return table


def _milliseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:.2f}"
