"""What samples prove: intervals, Welch's and the sign-flip test, Holm's correction, the size of an effect.

Knows numbers of one unit; knows no devices and no words for the outcome (verdict.py has those).
A negative difference is a time that got shorter.

>>> before, after = [18.5, 17.8, 17.5, 15.5, 17.3], [13.9, 13.5, 13.1, 13.6, 13.4]
>>> found = welch(before, after)
>>> round(found.difference, 2), round(found.t, 1), found.p < 0.01
(-3.82, -7.4, True)
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from operator import getitem

from vnetmig.analysis.student_t import quantile, two_sided
from vnetmig.migration.timeline import Statistics

Samples = Sequence[float] | Statistics
"""At least one sample, or the statistics of some."""

LEVEL = 0.95
FLIPS = 9999
SEED = 20250722  # any fixed number: the same runs give the same p
TIE = 1e-12
"""Two sums of the same numbers in another order differ by rounding, relative to the numbers; that is no difference."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``after`` against ``before``, in the unit of the samples, with an interval of ``level`` around the difference.

    Everything behind ``level`` is None without a test: ``standard_error`` when a side has one sample only, the others
    also when neither side has any spread.
    """

    before: Statistics
    after: Statistics
    difference: float
    level: float
    standard_error: float | None = None
    t: float | None = None
    degrees_of_freedom: float | None = None
    p: float | None = None
    low: float | None = None
    high: float | None = None


def interval(samples: Samples, level: float = LEVEL) -> tuple[float, float] | None:
    """Where the mean lies, by Student's t; None for one sample.

    >>> low, high = interval([10, 12, 14])
    >>> round(low, 2), round(high, 2)
    (7.03, 16.97)
    """
    found = _statistics(samples)
    if found.sigma is None:
        return None
    reach = quantile(level, found.n - 1) * found.sigma / sqrt(found.n)
    return found.mean - reach, found.mean + reach


def welch(before: Samples, after: Samples, level: float = LEVEL) -> Comparison:
    """Welch's test of equal means, two-sided, for sides that need not vary equally nor have as many samples.

    ``p`` is never 0: below what a float holds it is the smallest normal one.
    """
    first, second = _statistics(before), _statistics(after)
    difference = second.mean - first.mean
    if first.variance is None or second.variance is None:
        return Comparison(first, second, difference, level)
    shares = first.variance / first.n, second.variance / second.n
    error = sqrt(sum(shares))
    if not error:
        return Comparison(first, second, difference, level, error)
    # Welch-Satterthwaite; relative to the sum, so that no square of a small variance vanishes
    weights = [share / sum(shares) for share in shares]
    degrees = 1 / (weights[0] ** 2 / (first.n - 1) + weights[1] ** 2 / (second.n - 1))
    t = difference / error
    p = max(two_sided(t, degrees), sys.float_info.min)
    reach = quantile(level, degrees) * error
    return Comparison(
        first, second, difference, level, error, t, degrees, p, low=difference - reach, high=difference + reach
    )


def sign_flip(pairs: Iterable[tuple[float, float]], flips: int = FLIPS, seed: int = SEED) -> float:
    """p of paired (before, after) samples: how often random signs move the sum of differences as far as it moved.

    Exact over all 2^n signs where those are at most ``flips``; else (k + 1) / (flips + 1) of random ones, so that no p
    is below what was tried. Assumes nothing of the distribution, only that a pair's order was left to chance.

    >>> sign_flip([(5, 4), (6, 4), (7, 4), (8, 4)])  # all of 16 signs, 2 of which are as extreme
    0.125
    """
    # Sorted, so that the order of the pairs is no matter; pairs without a difference decide nothing.
    differences = [after - before for before, after in pairs if after != before]
    sizes = sorted(abs(difference) for difference in differences)
    everything = sum(sizes)
    least = abs(sum(differences)) - TIE * everything
    if 2 ** len(sizes) <= flips:
        sums = [0.0]
        for size in sizes:
            sums = [total + signed for total in sums for signed in (size, -size)]
        return sum(abs(total) >= least for total in sums) / len(sums)
    chance = random.Random(seed)
    tables = [_subset_sums(sizes[start : start + 8]) for start in range(0, len(sizes), 8)]
    hits = 0
    for _ in range(flips):
        signs = chance.getrandbits(len(sizes)).to_bytes(len(tables), "little")
        negative = sum(map(getitem, tables, signs))
        hits += abs(everything - 2 * negative) >= least
    return (hits + 1) / (flips + 1)


def _subset_sums(sizes: Sequence[float]) -> list[float]:
    """The sum of those whose bit is set, by the number that the bits are."""
    sums = [0.0]
    for size in sizes:
        sums += [total + size for total in sums]
    return sums


def holm(p_values: Sequence[float]) -> list[float]:
    """p values of several tests, adjusted so that "below 0.05" holds for all of them together (Holm 1979), in order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def effect(before: Samples, after: Samples) -> float | None:
    """Hedges' g: the difference in pooled sigmas, corrected for few samples; None where there is no sigma.

    By custom 0.2 is small, 0.5 medium and 0.8 large; unlike t it does not grow with the number of samples.
    """
    first, second = _statistics(before), _statistics(after)
    if first.variance is None or second.variance is None:
        return None
    degrees = first.n + second.n - 2
    pooled = sqrt(((first.n - 1) * first.variance + (second.n - 1) * second.variance) / degrees)
    return (1 - 3 / (4 * degrees - 1)) * (second.mean - first.mean) / pooled if pooled else None


def _statistics(samples: Samples) -> Statistics:
    return samples if isinstance(samples, Statistics) else Statistics.of(samples)
