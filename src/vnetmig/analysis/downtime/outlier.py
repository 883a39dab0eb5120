"""Samples far from the others: shown, with the migration that they are of, and never left out.

Knows numbers by hop; knows no cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from vnetmig.analysis.downtime.quantity import Quantity

FAR = 3.0
"""Quartile distances beyond the quartiles: Tukey's "far out"."""

LEAST = 8
"""Samples below which quartiles say nothing."""


@dataclass(frozen=True, slots=True)
class Outlier:
    """``value`` of the hop number ``hop``, where most of that arm are about ``median``."""

    quantity: Quantity
    arm: str
    hop: int
    value: int
    median: float


def outliers(found: Sequence[Quantity]) -> list[Outlier]:
    """Of devices and sums, those that stand out by most microseconds first."""
    every = [outlier for quantity in found if quantity.kind in ("device", "sum") for outlier in _of(quantity)]
    return sorted(every, key=lambda outlier: outlier.median - outlier.value)


def far_out(values: Sequence[float]) -> tuple[float, float] | None:
    """The fences beyond which a sample is far out; None for few samples.

    >>> far_out([10, 11, 12, 13, 10, 11, 12, 13, 99])
    (5.0, 19.0)
    """
    if len(values) < LEAST:
        return None
    low, _, high = quantiles(values, method="inclusive")
    reach = FAR * (high - low)
    return low - reach, high + reach


def _of(quantity: Quantity) -> Iterator[Outlier]:
    if quantity.entry is not None and quantity.entry.is_ram:
        return  # its times are the guest's doing
    for arm, samples in quantity.samples.items():
        fences = far_out(samples.values)
        if fences is None:
            continue
        middle = median(samples.values)
        for value, hop in zip(samples.values, samples.hops, strict=True):
            if not fences[0] <= value <= fences[1]:
                yield Outlier(quantity, arm, hop, value, middle)
