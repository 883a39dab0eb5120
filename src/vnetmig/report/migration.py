"""What a migration took, device by device: the downtime table of `vnetmig migrate`.

Knows outcomes of migrations and statistics over them; runs none. Every time is vnetmig's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from vnetmig.migration.run import MigrationOutcome
from vnetmig.migration.timeline import NOTE, TOTAL, Statistics, Timeline, statistics_of
from vnetmig.report.blocks import Block, Column, Facts, Note, Table, columns
from vnetmig.report.json import Json

MOST = 12
"""Devices that the table shows by name; the rest are one row, unless all are wanted."""

OTHERS = "other devices"

Outcomes = Mapping[str, Sequence[MigrationOutcome]]
"""Mode -> its runs, in order."""


@dataclass(frozen=True, slots=True)
class Change:
    """A mode against the first one: difference of the means, its standard error, and Welch's t."""

    difference: float
    error: float | None
    t: float | None


def change(before: Statistics, after: Statistics) -> Change:
    """
    >>> before, after = Statistics.of([3.0, 4.0, 5.0]), Statistics.of([1.0, 2.0, 3.0])
    >>> change(before, after).difference
    -2.0
    """
    difference = after.mean - before.mean
    if before.variance is None or after.variance is None:
        return Change(difference, None, None)
    error = sqrt(before.variance / before.n + after.variance / after.n)
    return Change(difference, error, difference / error if error else None)


def complete(outcomes: Outcomes) -> bool:
    """Did every run end with a destination that holds what was sent?"""
    return all(outcome.completed and not outcome.differences for runs in outcomes.values() for outcome in runs)


def outcome_blocks(outcomes: Outcomes, *, everything: bool = False) -> Iterator[Block]:
    """Times of the stop-and-copy part, then of what went early, then the verdicts."""
    timelines = _timelines(outcomes)
    if timelines:
        yield _times(timelines, everything=everything)
        early = _early(timelines)
        if early.rows:
            yield early
        yield _totals(timelines)
    yield _verdicts(outcomes)
    yield Note(NOTE + "; a load is decoding and the check of the rings")


def _timelines(outcomes: Outcomes) -> dict[str, list[Timeline]]:
    """Of the runs that completed; a mode without any is left out."""
    found = {mode: [o.timeline for o in runs if o.completed] for mode, runs in outcomes.items()}
    return {mode: runs for mode, runs in found.items() if runs}


_STATISTICS = (">save mean", ">variance", ">sigma", ">load mean", ">variance", ">sigma")


def _times(timelines: Mapping[str, Sequence[Timeline]], *, everything: bool) -> Table:
    table = Table(
        "with the guest stopped (microseconds; variance in their square)",
        columns("device", "mode", ">n", *_STATISTICS),
    )
    save = {mode: statistics_of(runs, "save") for mode, runs in timelines.items()}
    load = {mode: statistics_of(runs, "load") for mode, runs in timelines.items()}
    first = next(iter(load.values()))
    names = list(dict.fromkeys(name for found in load.values() for name in found if name != TOTAL))
    names.sort(key=lambda name: -first[name].mean if name in first else 0)
    shown = names if everything or len(names) <= MOST + 1 else names[:MOST]
    for name in shown:
        for mode in timelines:
            if name in load[mode]:
                table.rows.append(_row(name, mode, save[mode][name], load[mode][name]))
    if len(shown) < len(names):
        hidden = set(names) - set(shown)
        for mode, runs in timelines.items():
            others = [_only(run, hidden) for run in runs]
            saved, loaded = statistics_of(others, "save"), statistics_of(others, "load")
            if TOTAL in loaded:
                table.rows.append(_row(f"{len(hidden)} {OTHERS}", mode, saved[TOTAL], loaded[TOTAL]))
    for mode in timelines:
        table.rows.append(_row("all devices", mode, save[mode][TOTAL], load[mode][TOTAL]))
    if len(shown) < len(names):
        table.notes.append(f"the {MOST} that take longest to load; --all shows all {len(names)}")
    return table


def _only(run: Timeline, names: set[str]) -> Timeline:
    kept = tuple(device for device in run.stopped if device.name in names)
    return Timeline(run.mode, run.engine, kept)


def _row(name: str, mode: str, save: Statistics, load: Statistics) -> tuple[str, ...]:
    return name, mode, str(load.n), *_numbers(save), *_numbers(load)


def _numbers(found: Statistics) -> tuple[str, str, str]:
    """Mean, variance and sigma of nanoseconds, in microseconds."""
    variance = "-" if found.variance is None else _decimal(found.variance / 1e6)
    sigma = "-" if found.sigma is None else _decimal(found.sigma / 1e3)
    return _decimal(found.mean / 1e3), variance, sigma


def _decimal(value: float) -> str:
    return f"{value:.1f}"


def _early(timelines: Mapping[str, Sequence[Timeline]]) -> Table:
    table = Table("before the stop, while the guest runs (microseconds)", columns("device", "mode", ">n", *_STATISTICS))
    for mode, runs in timelines.items():
        save, load = statistics_of(runs, "save", early=True), statistics_of(runs, "load", early=True)
        for name, found in load.items():
            if name != TOTAL:
                table.rows.append(_row(name, mode, save[name], found))
    return table


def _totals(timelines: Mapping[str, Sequence[Timeline]]) -> Table:
    """One row per mode: everything together, and against the first mode."""
    table = Table(
        "in sum (microseconds)",
        (
            Column("mode"),
            *columns(">save+load", ">sigma", ">difference", ">t", ">stop to start", ">bytes stopped", ">bytes early"),
        ),
    )
    base: Statistics | None = None
    for mode, runs in timelines.items():
        both = Statistics.of([run.total("save") + run.total("load") for run in runs])
        against = change(base, both) if base is not None else None
        base = base or both
        walls = [run.downtime_ns for run in runs if run.downtime_ns is not None]
        table.rows.append(
            (
                mode,
                _decimal(both.mean / 1e3),
                "-" if both.sigma is None else _decimal(both.sigma / 1e3),
                "-" if against is None else _difference(against),
                "-" if against is None or against.t is None else f"{against.t:+.1f}",
                _decimal(Statistics.of(walls).mean / 1e3) if walls else "-",
                str(sum(device.size for device in runs[-1].stopped)),
                str(sum(device.size for device in runs[-1].early)),
            )
        )
    if len(timelines) > 1:
        table.notes.append("difference of the means and its standard error, against the first mode; t is Welch's")
    return table


def _difference(against: Change) -> str:
    error = "" if against.error is None else f" +- {_decimal(against.error / 1e3)}"
    return f"{against.difference / 1e3:+.1f}{error}"


def _verdicts(outcomes: Outcomes) -> Facts:
    facts = Facts("")
    for mode, runs in outcomes.items():
        good = sum(1 for outcome in runs if outcome.completed and not outcome.differences)
        words = "destination holds every device as the source sent it" if good == len(runs) else "FAILED"
        facts.pairs.append((mode, f"{words}: {good} of {len(runs)} runs"))
        for outcome in runs:
            facts.pairs += [("", str(difference)) for difference in outcome.differences]
            if outcome.error is not None and not outcome.differences:
                facts.pairs += [("", line) for line in outcome.error.split("\n")]
                facts.pairs.append(("", f"the machine now belongs to: {outcome.owner}"))
        facts.pairs += [("rings", line) for line in ring_lines(runs)]
    return facts


def ring_lines(runs: Sequence[MigrationOutcome]) -> list[str]:
    """What the destination's ring checks said, each saying once."""
    checked: dict[str, None] = {}
    said: dict[str, None] = {}
    for outcome in runs:
        for section in outcome.result.sections if outcome.result is not None else ():
            if section.rings is not None:
                checked[section.idstr] = None
                said.update((f"{section.idstr}: {line}", None) for line in section.rings)
    if not checked:
        return ["not checked: the stream brings no page of them (--memory FILE)"]
    return list(said) or [f"consistent in all {len(checked)} devices that have some"]


# The same as JSON.


def outcome_json(outcomes: Outcomes) -> dict[str, Json]:
    timelines = _timelines(outcomes)
    return {
        "complete": complete(outcomes),
        "note": NOTE,
        "unit": "ns",
        "modes": {mode: _mode_json(runs, timelines.get(mode, [])) for mode, runs in outcomes.items()},
        "changes": _changes(timelines),
    }


def _mode_json(runs: Sequence[MigrationOutcome], timelines: Sequence[Timeline]) -> Json:
    return {
        "runs": [_run_json(outcome) for outcome in runs],
        "save": _statistics(timelines, "save", early=False),
        "load": _statistics(timelines, "load", early=False),
        "early_save": _statistics(timelines, "save", early=True),
        "early_load": _statistics(timelines, "load", early=True),
        "rings": list(ring_lines(runs)),
    }


def _statistics(timelines: Sequence[Timeline], side: str, *, early: bool) -> Json:
    found = statistics_of(timelines, "save" if side == "save" else "load", early=early)
    if len(found) <= 1:  # a total over nothing
        return {}
    return {name: _statistics_json(value) for name, value in found.items()}


def _statistics_json(found: Statistics) -> Json:
    return {
        "n": found.n,
        "mean": found.mean,
        "variance": found.variance,
        "sigma": found.sigma,
        "median": found.median,
        "min": found.minimum,
        "max": found.maximum,
    }


def _run_json(outcome: MigrationOutcome) -> Json:
    line = outcome.timeline
    return {
        "state": outcome.state,
        "owner": outcome.owner,
        "error": outcome.error,
        "engine": line.engine,
        "bytes": line.stream_bytes,
        "downtime": line.downtime_ns,
        "differences": [
            {"idstr": d.idstr, "instance_id": d.instance_id, "message": d.message, "offset": d.offset}
            for d in outcome.differences
        ],
        "devices": [
            {"device": d.name, "bytes": d.size, "save": d.save_ns, "load": d.load_ns, "early": d.early}
            for d in line.devices
        ],
    }


def _changes(timelines: Mapping[str, Sequence[Timeline]]) -> Json:
    """Every mode against the first: all devices, save and load together."""
    base: Statistics | None = None
    made: dict[str, Json] = {}
    for mode, runs in timelines.items():
        both = Statistics.of([run.total("save") + run.total("load") for run in runs])
        if base is not None:
            found = change(base, both)
            made[mode] = {"difference": found.difference, "standard_error": found.error, "t": found.t}
        base = base or both
    return made


def trace_lines(outcomes: Outcomes) -> Iterator[str]:
    """QEMU's trace lines of both sides, run by run; lines of a run are introduced by a comment."""
    longest = max((len(runs) for runs in outcomes.values()), default=0)
    for number in range(longest):
        for mode, runs in outcomes.items():
            if number < len(runs):
                for side, lines in (
                    ("source", runs[number].source_trace),
                    ("destination", runs[number].destination_trace),
                ):
                    yield f"# run {number + 1}, {mode}, {side}"
                    yield from lines
