"""What trace logs say about downtime, as blocks of text: the verdict, devices by side, the clock, outliers.

Knows measured downtimes; tests nothing and reads nothing. Microseconds, and milliseconds where the network is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from vnetmig.analysis.downtime.compared import Against, of_series
from vnetmig.analysis.downtime.downtime import Downtime
from vnetmig.analysis.downtime.quantity import ALL, Quantity
from vnetmig.analysis.downtime.words import verdict
from vnetmig.analysis.significance import interval
from vnetmig.analysis.verdict import probability
from vnetmig.migration.timeline import Statistics
from vnetmig.report.blocks import Block, Facts, Note, Table, columns, listed

MOST = 10
"""Devices of a side, the longest first, unless all are wanted; those that moved are shown in any case."""

MOST_OUTLIERS = 8
MOST_DARK = 20
PROVEN = 0.05

_COMPARED = (">difference", "95 % interval", ">share", ">g")

SIDES = {
    "load": "load, on the destination, with the guest stopped",
    "save": "save, on the source, with the guest stopped",
    "": "both sides, the clock, and what query-migrate says",
}


def downtime_blocks(found: Downtime, *, everything: bool = False) -> Iterator[Block]:
    yield summary(found)
    for title, said in verdict(found):
        yield Facts(title, [("", sentence) for sentence in said])
    for side, title in SIDES.items():
        shown = shown_quantities(found, side, everything=everything)
        if shown:
            yield _statistics(found, title, side, shown, everything=everything)
            for arm in found.arms[1:]:
                table = _comparison(found, title, side, arm, shown)
                if table.rows:
                    yield table
    yield from series_tables(found)
    if found.ping is not None:
        yield dark_table(found)
    if found.outliers:
        yield outlier_table(found)


def summary(found: Downtime) -> Facts:
    facts = Facts("trace logs of live migrations")
    counts = ", ".join(f"{arm} {sum(hop.arm == arm for hop in found.hops)}" for arm in found.arms)
    facts.pairs.append(("migrations", f"{len(found.hops)}" + (f" ({counts})" if len(found.arms) > 1 else "")))
    if found.series != ("log",):
        facts.pairs.append(("series", listed(found.series)))
    if found.left_out:
        facts.pairs.append(("left out", f"{len(found.left_out)} of the warm-up, in which the guest was freshly booted"))
    pairs = max((row.pairs for row in found.against), default=0)
    if pairs:
        facts.pairs.append(("pairs", f"{pairs}, one of each arm in turn"))
    facts.pairs += [("not used", note) for note in found.notes]
    return facts


def shown_quantities(found: Downtime, side: str, *, everything: bool) -> list[Quantity]:
    """Devices, the longest first, then sums, then the last pass over RAM."""
    of_side = [quantity for quantity in found.quantities if quantity.side == side]
    devices = [quantity for quantity in of_side if quantity.kind in ("device", "early") and not _is_ram(quantity)]
    devices.sort(key=lambda quantity: -max(fmean(samples.values) for samples in quantity.samples.values()))
    if not everything and len(devices) > MOST + 1:
        moved = {id(row.quantity) for row in found.against if moved_alone(row)}
        devices = [each for place, each in enumerate(devices) if place < MOST or id(each) in moved]
    rest = [quantity for quantity in of_side if quantity.kind not in ("device", "early")]
    return [*devices, *rest, *filter(_is_ram, of_side)]


def moved_alone(row: Against) -> bool:
    """By means or by ranks, after Holm."""
    return min((p for p in (row.holm, row.wilcoxon_holm) if p is not None), default=1.0) < PROVEN


def _is_ram(quantity: Quantity) -> bool:
    return quantity.entry is not None and quantity.entry.is_ram


def label(quantity: Quantity) -> str:
    if _is_ram(quantity):
        return "ram (last pass, not in the sums)"
    if quantity.kind == "early":
        return f"{quantity.name} (guest still runs)"
    if quantity.kind == "query-migrate":
        return f"query-migrate: {quantity.name}"
    return quantity.name


def _statistics(found: Downtime, title: str, side: str, shown: Sequence[Quantity], *, everything: bool) -> Table:
    table = Table(
        f"{title} (microseconds; variance n - 1, in their square)",
        columns("what", "arm", ">n", ">mean", "95 % interval", ">variance", ">sigma", ">median", ">min", ">max"),
    )
    for quantity in shown:
        for arm in found.arms:
            if arm in quantity.samples:
                table.rows.append((label(quantity), arm, *statistics_cells(quantity, arm)))
    if len(found.hops) == 1:
        table.title = f"{title} (microseconds)"
        table.columns = columns("what", ">took")
        table.rows = [(row[0], row[3]) for row in table.rows]
    elif len(found.arms) == 1:
        table.columns = tuple(column for column in table.columns if column.name != "arm")
        table.rows = [(row[0], *row[2:]) for row in table.rows]
    devices = [each for each in found.quantities if each.side == side and each.kind == "device" and not _is_ram(each)]
    left = len(devices) - sum(each in shown for each in devices)
    if left and not everything:
        table.notes.append(f"{left} more devices count in the sums; --all shows each of {len(devices)}")
    return table


def statistics_cells(quantity: Quantity, arm: str) -> tuple[str, ...]:
    values = quantity.samples[arm].values
    of = Statistics.of(values)
    reach = interval(of)
    return (
        str(of.n),
        microseconds(of.mean),
        "-" if reach is None else f"{microseconds(reach[0])} .. {microseconds(reach[1])}",
        "-" if of.variance is None else microseconds(of.variance),
        "-" if of.sigma is None else microseconds(of.sigma),
        microseconds(of.median),
        microseconds(of.minimum),
        microseconds(of.maximum),
    )


def _comparison(found: Downtime, title: str, side: str, arm: str, shown: Sequence[Quantity]) -> Table:
    paired = any(row.pairs for row in found.against if row.arm == arm)
    table = Table(
        f"{title}: {arm} against {found.arms[0]} (microseconds)",
        columns(
            "what", ">difference", "95 % interval", ">share", ">g", "p", "p Holm", "p ranks", "ranks Holm", "p signs"
        ),
    )
    for quantity in shown:
        for row in found.against:
            if row.quantity is quantity and row.arm == arm:
                table.rows.append((label(quantity), *comparison_cells(row)))
    table.notes.append("difference of the means; p: Welch's t; Holm: allowed for all devices of this side; g: Hedges")
    table.notes.append(
        "p ranks: Wilcoxon's signed ranks of pairs; p signs: random signs on the differences of pairs"
        if paired
        else "p ranks: Wilcoxon's rank sum; there are no pairs"
    )
    return table


def comparison_cells(row: Against) -> tuple[str, ...]:
    compared = row.welch
    reach = (
        "-" if compared.low is None or compared.high is None else f"{signed(compared.low)} .. {signed(compared.high)}"
    )
    share = f"{100 * compared.difference / compared.before.mean:+.0f} %" if compared.before.mean else "-"
    effect = "-" if row.effect is None else f"{row.effect:+.2f}"
    return (
        signed(compared.difference),
        reach,
        share,
        effect,
        *map(p_text, (compared.p, row.holm, row.wilcoxon, row.wilcoxon_holm, row.sign_flip)),
    )


def series_tables(found: Downtime) -> Iterator[Table]:
    """All devices, series by series: they ran at other times, perhaps beside other load."""
    for row in found.against:
        if row.quantity.name != ALL:
            continue
        each = list(of_series(row, found.hops, found.arms[0]))
        if not each:
            continue
        table = Table(
            f"{row.quantity.side}, {ALL}, series by series: {row.arm} against {found.arms[0]} (microseconds)",
            columns(
                "series",
                ">n",
                ">mean before",
                ">after",
                ">difference",
                "95 % interval",
                ">share",
                "p",
                "p ranks",
                "p signs",
            ),
        )
        for name, of in (*each, ("pooled", row)):
            before, after = of.welch.before, of.welch.after
            cells = comparison_cells(of)
            counts = f"{before.n} + {after.n}"
            means = microseconds(before.mean), microseconds(after.mean)
            table.rows.append((name, counts, *means, *cells[:3], cells[4], cells[6], cells[8]))
        yield table


def outlier_table(found: Downtime) -> Table:
    table = Table(
        "far from the others (counted above, not left out; microseconds)",
        columns("migration", "arm", "side", "what", ">took", ">median of the arm"),
    )
    for outlier in found.outliers[:MOST_OUTLIERS]:
        quantity = outlier.quantity
        place = quantity.side or "both"
        row = (found.hops[outlier.hop].name, outlier.arm, place, quantity.name)
        table.rows.append((*row, str(outlier.value), microseconds(outlier.median)))
    table.notes.append("more than three quartile distances beyond the quartiles; that long, one of them moves a mean")
    if len(found.outliers) > MOST_OUTLIERS:
        table.notes.append(f"{len(found.outliers) - MOST_OUTLIERS} more, in --json")
    return table


def dark_table(found: Downtime) -> Table | Note:
    """The guest's blackout beside the network's outage."""
    ping = found.ping
    if ping is None or not found.dark:
        return Note("ping: no migration with timestamps on both sides lies within it, so it cannot be laid beside them")
    table = Table(
        "blackout of the guest, outage of the network (milliseconds)",
        columns("migration", ">blackout", ">outage", ">before the stop", ">after the start", ">requests lost"),
    )
    for dark in found.dark[:MOST_DARK]:
        name = found.hops[dark.hop].name
        outage = dark.outage
        if outage is None:
            table.rows.append((name, milliseconds(dark.blackout), "none seen", "-", "-", "0"))
        else:
            table.rows.append(
                (
                    name,
                    milliseconds(dark.blackout),
                    milliseconds(outage.length),
                    milliseconds(dark.stopped - outage.last),
                    milliseconds(outage.next - dark.started),
                    str(outage.lost),
                )
            )
    if len(found.dark) > MOST_DARK:
        table.notes.append(f"{len(found.dark) - MOST_DARK} more, in --json")
    table.notes.append(
        f"outage: from the last reply to the next one, with a request every {milliseconds(ping.interval)} ms: so sharp"
        " is it at each end. Both on the wall clock: the hosts' clocks must agree"
    )
    table.notes.append("after the start: announcing the guest and learning where it is, none of it in QEMU's downtime")
    return table


def microseconds(value: float) -> str:
    """
    >>> microseconds(1234.5), microseconds(12.34)
    ('1234', '12.3')
    """
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"


def signed(value: float) -> str:
    text = microseconds(value)
    return text if text.startswith("-") else f"+{text}"


def milliseconds(value: float) -> str:
    return f"{value / 1000:.1f}"


def p_text(value: float | None) -> str:
    return "-" if value is None else probability(value).removeprefix("p = ").removeprefix("p ")
