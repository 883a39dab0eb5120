"""The verdict in sentences: is the gain real, who pays, and were the runs enough?

Knows measured downtimes and their comparisons; the sentences about one gain are analysis/gain.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vnetmig.analysis.downtime.compared import Against, of_series
from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.enough import detectable, needed
from vnetmig.analysis.downtime.quantity import ALL, BOTH_SIDES, OTHERS, device_times, names
from vnetmig.analysis.downtime.side import Role
from vnetmig.analysis.gain import Run, bears, gains, sentences
from vnetmig.analysis.significance import Comparison
from vnetmig.analysis.verdict import is_significant, probability, share

FEW_FOR_RANKS = 6
"""With fewer pairs no test by ranks or signs can reach p = 0.05: 2 of 2^5 orders are already 0.0625."""

SHORT = "In short"

_SIDES = {Role.DESTINATION: "Load, on the destination", Role.SOURCE: "Save, on the source"}


def headline(found: Downtime, arm: str) -> str:
    """One sentence about the load: the device, the others, the sum. Empty where there is nothing to compare."""
    rows = {
        row.quantity.name: row
        for row in found.against
        if row.arm == arm and row.quantity.side == Role.DESTINATION.value and row.quantity.kind == "sum"
    }
    name = OTHERS.format(device=found.device)
    if name not in rows or rows[ALL].welch.p is None or rows[name].welch.p is None:
        return ""
    whole, others = rows[ALL].welch, rows[name].welch
    runs = {mode: _runs(found, mode, Role.DESTINATION) for mode in (found.arms[0], arm)}
    own = gains(runs, found.device, paired=False)[arm].own
    return (
        f"Loading {found.device} takes {_change(own)}; the other devices together take {_change(others)}; and all"
        f" devices take {_change(whole)}."
    )


def _change(found: Comparison) -> str:
    """`517 us less (p < 1e-15)` or `168 us less, which 108 + 108 runs do not prove`."""
    if not found.difference:
        return "as long as before"
    told = f"{_us(abs(found.difference))} {'less' if found.difference < 0 else 'more'}"
    if found.p is None and found.standard_error is not None:
        return f"{told} in every run"
    if is_significant(found):
        return f"{told} ({probability(found.p or 0.0)})"
    return f"{told}, which {found.before.n} + {found.after.n} runs do not prove"


def verdict(found: Downtime) -> list[tuple[str, list[str]]]:
    """(what about, sentences), arm by arm and side by side; empty without two arms."""
    told = []
    for arm in found.arms[1:]:
        short = headline(found, arm)
        if short:
            told.append((_title(found, arm, SHORT), [short]))
        for role in (Role.DESTINATION, Role.SOURCE):
            said = list(_side(found, arm, role))
            if said:
                told.append((_title(found, arm, _SIDES[role]), said))
        said = list(_both(found, arm))
        if said:
            told.append((_title(found, arm, "Load and save together, and the clock"), said))
    return told


def _title(found: Downtime, arm: str, what: str) -> str:
    return what if len(found.arms) == 2 else f"{what}: {arm}"


def _side(found: Downtime, arm: str, role: Role) -> Iterator[str]:
    runs = {mode: _runs(found, mode, role) for mode in (found.arms[0], arm)}
    if not all(runs.values()) or not any(bears(name, found.device) for run in runs[arm] for name in run):
        return
    yield from sentences(gains(runs, found.device, paired=False)[arm])
    rows = [row for row in found.against if row.arm == arm and row.quantity.side == role.value]
    sums = {row.quantity.name: row for row in rows if row.quantity.kind == "sum"}
    yield from _ranks([sums[name] for name in (OTHERS.format(device=found.device), ALL) if name in sums])
    yield from _moved(found, [row for row in rows if row.quantity.kind == "device"])
    yield from _series(found, sums[ALL])
    yield from _enough(sums[ALL])


def _both(found: Downtime, arm: str) -> Iterator[str]:
    for row in found.against:
        name = row.quantity.name
        if row.arm == arm and (name == BOTH_SIDES or row.quantity.kind == "clock"):
            moved = "no difference can be seen"
            if is_significant(row.welch):
                moved = f"{'shorter' if row.welch.difference < 0 else 'longer'} by {_size(row)}"
            p = "" if row.welch.p is None else f"{probability(row.welch.p)}, "
            yield f"{_first_upper(name)}: {moved} ({p}by ranks {probability(row.wilcoxon)})."


def _runs(found: Downtime, arm: str, role: Role) -> list[Run]:
    name_of = names(found.hops)
    sides = [hop.side(role) for hop in found.hops if hop.arm == arm]
    return [device_times(side, name_of) for side in sides if side is not None]


def _ranks(sums: Sequence[Against]) -> Iterator[str]:
    """What outliers do not move, beside what the means said."""
    if not sums or min(row.pairs or min(row.welch.before.n, row.welch.after.n) for row in sums) < FEW_FOR_RANKS:
        return
    said = []
    signs = sums[-1].sign_flip
    for row in sums:
        before, after = row.welch.before.median, row.welch.after.median
        said.append(f"{row.quantity.name} {before:.0f} -> {after:.0f} us ({probability(row.wilcoxon)})")
    paired = "" if signs is None else f" By random signs on {sums[-1].pairs} pairs, all devices: {probability(signs)}."
    yield f"By ranks, which outliers do not move, medians: {'; '.join(said)}.{paired}"


def _moved(found: Downtime, rows: Sequence[Against]) -> Iterator[str]:
    """Devices that the means leave open and the ranks do not."""
    moved = [
        row
        for row in rows
        if row.wilcoxon_holm is not None
        and row.wilcoxon_holm < 1 - row.welch.level
        and not is_significant(row.welch, row.holm)
        and not bears(row.quantity.name, found.device)
    ]
    if moved:
        told = ", ".join(
            f"{row.quantity.name} {_us(row.welch.after.median - row.welch.before.median, '+')}"
            f" ({probability(row.wilcoxon_holm or 0.0)} after Holm)"
            for row in moved
        )
        yield f"By ranks these moved too: {told}."


def _series(found: Downtime, row: Against) -> Iterator[str]:
    """Series that ran at other times may say something else: pooled, that would be hidden."""
    each = [
        f"{name} {_us(of.welch.difference, '+')}" + ("" if of.welch.p is None else f" ({probability(of.welch.p)})")
        for name, of in of_series(row, found.hops, found.arms[0])
    ]
    if each:
        yield f"All devices, series by series: {', '.join(each)}."


def _enough(row: Against) -> Iterator[str]:
    least, runs = detectable(row.welch), needed(row.welch)
    before, after = row.welch.before, row.welch.after
    if least is None or not before.mean:
        return
    seen = _us(row.welch.difference, "+")
    told = (
        f"n = {before.n} + {after.n} shows a change of all devices' sum of {share(least / before.mean)}"
        f" ({_us(least)}) or more, four times in five"
    )
    if runs is None or abs(row.welch.difference) >= least:
        yield f"{told}: enough for what was seen ({seen})."
    else:
        yield f"{told}; to show the {seen} that were seen takes about {_rounded(runs)} + as many."


def _size(row: Against) -> str:
    mean = row.welch.before.mean
    return share(abs(row.welch.difference) / mean) if mean else _us(abs(row.welch.difference))


def _us(value: float, sign: str = "") -> str:
    """Microseconds; a small number of them is not 0."""
    return f"{value:{sign}{'.0f' if abs(value) >= 10 else '.2g'}} us"


def _rounded(number: int) -> str:
    """Two digits that count."""
    digits = max(0, len(str(number)) - 2)
    return f"{round(number, -digits):,}"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
