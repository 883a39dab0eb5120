"""Every mode against the first one, stock as a rule: differences, tests, and what they mean in words.

Knows measured runs; the tests are analysis/significance.py's, the words analysis/gain.py's. Negative is quicker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from vnetmig.analysis.gain import gains, sentences
from vnetmig.analysis.significance import Comparison, holm, sign_flip, welch
from vnetmig.analysis.verdict import probability
from vnetmig.report.blocks import Block, Facts, Table, columns
from vnetmig.report.measured import NET, Measured


@dataclass(frozen=True, slots=True)
class Against:
    """``devices`` (a group's title, or a device) in ``mode`` against the first mode. ``adjusted``: p among all that
    were made together; ``paired``: of run by run, None when the modes have different numbers of runs."""

    mode: str
    devices: str
    found: Comparison
    adjusted: float | None
    paired: float | None


def against_first(measured: Measured, groups: Sequence[tuple[str, Sequence[str] | None]]) -> list[Against]:
    """Of these groups in every mode but the first."""
    rows = []
    for mode in list(measured.modes)[1:]:
        for title, names in groups:
            before, after = measured.samples(measured.first, names), measured.samples(mode, names)
            paired = sign_flip(zip(before, after, strict=True)) if measured.paired and len(before) > 1 else None
            rows.append((mode, title, welch(before, after), paired))
    tested = [found.p for _, _, found, _ in rows if found.p is not None]
    adjusted = iter(holm(tested))
    return [
        Against(mode, title, found, None if found.p is None else next(adjusted), paired)
        for mode, title, found, paired in rows
    ]


def single_devices(measured: Measured) -> list[Against]:
    """Device by device, adjusted for as many tests as there are devices and modes."""
    return against_first(measured, [(name, (name,)) for name in measured.devices])


def against_blocks(measured: Measured) -> Iterator[Block]:
    if len(measured.modes) < 2:
        return
    table = Table(
        f"downtime against {measured.first} (save + load, microseconds)",
        columns("devices", "mode", ">difference", "95 % interval", ">t", "p", "p Holm", "p paired"),
    )
    found = against_first(measured, measured.groups())
    for title, _ in measured.groups():
        table.rows += [_row(row) for row in found if row.devices == title]
    table.notes.append("difference of the means, Welch's t and p; p Holm allows for all the rows of this table")
    table.notes.append("p paired: random signs on the differences of runs that took turns")
    yield table
    facts = Facts("what that means")
    for mode, said in words(measured).items():
        facts.pairs += [(mode if not number else "", line) for number, line in enumerate(said)]
    if facts.pairs:
        yield facts


def _row(row: Against) -> tuple[str, ...]:
    found = row.found
    reach = "-" if found.low is None or found.high is None else f"{_signed(found.low)} .. {_signed(found.high)}"
    t = "-" if found.t is None else f"{found.t:+.1f}"
    return row.devices, row.mode, _signed(found.difference), reach, t, _p(found.p), _p(row.adjusted), _p(row.paired)


def _signed(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e3:+.1f}"


def _p(value: float | None) -> str:
    return "-" if value is None else probability(value).removeprefix("p = ").removeprefix("p ")


def words(measured: Measured) -> dict[str, list[str]]:
    """Mode -> sentences: virtio-net's gain, what the others paid for it, the total, and bytes."""
    if len(measured.modes) < 2 or not measured.nets:
        return {}
    found = gains({mode: measured.by_device(mode) for mode in measured.modes}, NET)
    return {mode: [*sentences(gain), *_bytes(measured, mode)] for mode, gain in found.items()}


def _bytes(measured: Measured, mode: str) -> Iterator[str]:
    before, after = (fmean(measured.samples(each, measured.nets, "bytes")) for each in (measured.first, mode))
    if before:
        yield (
            f"{NET} sent {after:.0f} bytes with the guest stopped, {_percent(after / before)} of {measured.first}'s"
            f" {before:.0f}."
        )


def _percent(value: float) -> str:
    """Two digits that count, however small it is."""
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"
