"""Each quantity of one arm against the first: by means, by ranks, and by random signs on pairs.

Knows quantities and which hops are pairs. Holm's correction is over the devices of one side; sums and the clock are
questions of their own. A negative difference is time won.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vnetmig.analysis.downtime.hop import Hop
from vnetmig.analysis.downtime.quantity import Quantity, Samples
from vnetmig.analysis.significance import FLIPS, Comparison, effect, holm, sign_flip, welch
from vnetmig.analysis.wilcoxon import rank_sum, signed_rank

FLIPPED_MAX = 1 << 25
"""Signs of one quantity that are drawn: with more than 3,000 pairs fewer tries have to do, and p says so."""


@dataclass(frozen=True, slots=True)
class Against:
    """``arm`` against the first arm, in ``quantity``.

    ``effect`` is Hedges' g; ``wilcoxon`` the p of signed ranks where there are pairs, else of the rank sum;
    ``sign_flip`` None without pairs. The ``holm`` values are p among all devices of this side, None for what is none.
    """

    quantity: Quantity
    arm: str
    welch: Comparison
    effect: float | None
    pairs: int
    wilcoxon: float
    sign_flip: float | None
    holm: float | None = None
    wilcoxon_holm: float | None = None


def pairs_of(hops: Sequence[Hop], first: str, second: str) -> dict[int, int]:
    """Hop of the first arm -> hop of the second, where a block has one of each."""
    blocks: dict[tuple[str, int], dict[str, list[int]]] = {}
    for number, hop in enumerate(hops):
        if hop.block is not None:
            blocks.setdefault((hop.series, hop.block), {}).setdefault(hop.arm, []).append(number)
    return {
        block[first][0]: block[second][0]
        for block in blocks.values()
        if len(block.get(first, ())) == 1 and len(block.get(second, ())) == 1
    }


def against_first(hops: Sequence[Hop], arms: Sequence[str], found: Sequence[Quantity]) -> Iterator[Against]:
    """Every quantity that both arms have, arm by arm."""
    for arm in arms[1:]:
        pairs = pairs_of(hops, arms[0], arm)
        rows = [_row(quantity, arms[0], arm, pairs) for quantity in found if {arms[0], arm} <= quantity.samples.keys()]
        families: dict[tuple[str, str], list[int]] = {}
        for place, row in enumerate(rows):
            if row.quantity.kind in ("device", "early") and row.welch.p is not None:
                families.setdefault((row.quantity.kind, row.quantity.side), []).append(place)
        adjusted: dict[int, tuple[float, float]] = {}
        for places in families.values():
            means = holm([rows[place].welch.p or 0.0 for place in places])
            ranks = holm([rows[place].wilcoxon for place in places])
            adjusted |= zip(places, zip(means, ranks, strict=True), strict=True)
        for place, row in enumerate(rows):
            mean, rank = adjusted.get(place, (None, None))
            yield replace(row, holm=mean, wilcoxon_holm=rank)


def of_series(found: Against, hops: Sequence[Hop], first: str) -> Iterator[tuple[str, Against]]:
    """The same comparison of each series by itself, where there are several: what is pooled need not agree."""
    series = list(dict.fromkeys(hop.series for hop in hops))
    pairs = pairs_of(hops, first, found.arm)
    for name in series if len(series) > 1 else ():
        samples = {arm: _only(found.quantity.samples[arm], hops, name) for arm in (first, found.arm)}
        if all(each.values for each in samples.values()):
            yield name, _row(replace(found.quantity, samples=samples), first, found.arm, pairs)


def _only(samples: Samples, hops: Sequence[Hop], series: str) -> Samples:
    chosen = Samples.new()
    for value, hop in zip(samples.values, samples.hops, strict=True):
        if hops[hop].series == series:
            chosen.add(value, hop)
    return chosen


def _row(quantity: Quantity, first: str, arm: str, pairs: Mapping[int, int]) -> Against:
    before, after = quantity.samples[first], quantity.samples[arm]
    paired = list(_pairs(before, after, pairs))
    compared = welch(before.values, after.values)
    return Against(
        quantity,
        arm,
        compared,
        effect(compared.before, compared.after),
        len(paired),
        signed_rank(paired) if paired else rank_sum(before.values, after.values),
        sign_flip(paired, min(FLIPS, FLIPPED_MAX // len(paired))) if paired else None,
    )


def _pairs(before: Samples, after: Samples, pairs: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    values = dict(zip(after.hops, after.values, strict=True))
    for hop, value in zip(before.hops, before.values, strict=True):
        other = pairs.get(hop)
        if other is not None and other in values:
            yield value, values[other]
