"""Wilcoxon's tests by ranks, two-sided: of pairs (signed ranks) and of two sides without pairs (rank sum).

Knows numbers only. One sample ten times as long as all others counts as the longest, not as ten: what moves a mean and
a variance does not move these. Exact while the samples are few, with ties as they are; else by the normal distribution
with the variance that ties leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import comb, erfc, sqrt

EXACT = 25
"""Pairs, or samples on both sides together, up to which every outcome is counted."""


def signed_rank(pairs: Iterable[tuple[float, float]]) -> float:
    """p of (before, after); pairs without a difference decide nothing.

    >>> signed_rank([(5, 4), (6, 4), (7, 4), (8, 4)])
    0.125
    """
    differences = [after - before for before, after in pairs if after != before]
    n = len(differences)
    if not n:
        return 1.0
    ranks, ties = _double_ranks([abs(difference) for difference in differences])
    positive = sum(rank for rank, difference in zip(ranks, differences, strict=True) if difference > 0)
    if n <= EXACT:
        ways = [1, *[0] * sum(ranks)]
        for rank in ranks:
            for total in range(len(ways) - 1, rank - 1, -1):
                ways[total] += ways[total - rank]
        return _tail(ways, positive, 2**n)
    # in single ranks: mean n (n + 1) / 4, variance n (n + 1) (2 n + 1) / 24 - sum(t^3 - t) / 48
    return _normal(positive / 2 - n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24 - ties / 48)


def rank_sum(before: Sequence[float], after: Sequence[float]) -> float:
    """p of two sides (Mann and Whitney's U is the same test); 1 when one is empty.

    >>> round(rank_sum([1, 2, 3, 4], [5, 6, 7, 8]), 4)
    0.0286
    """
    n, m = len(before), len(after)
    if not n or not m:
        return 1.0
    ranks, ties = _double_ranks([*before, *after])
    first = sum(ranks[:n])
    if n + m <= EXACT:
        ways = [[1, *[0] * sum(ranks)], *([0] * (sum(ranks) + 1) for _ in range(n))]
        for rank in ranks:
            for chosen in range(n, 0, -1):
                fewer, row = ways[chosen - 1], ways[chosen]
                for total in range(len(row) - 1, rank - 1, -1):
                    row[total] += fewer[total - rank]
        return _tail(ways[n], first, comb(n + m, n))
    whole = n + m
    return _normal(first / 2 - n * (whole + 1) / 2, n * m / 12 * (whole + 1 - ties / (whole * (whole - 1))))


def _double_ranks(values: Sequence[float]) -> tuple[list[int], int]:
    """Twice the rank of each (a tie's is the mean of its places, so twice it is whole), and the sum of t^3 - t."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, start = [0] * len(values), 0, 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = start + end + 2
        size = end - start + 1
        ties += size**3 - size
        start = end + 1
    return ranks, ties


def _tail(ways: Sequence[int], seen: int, of: int) -> float:
    """Both tails, the smaller one twice."""
    below, above = sum(ways[: seen + 1]), sum(ways[seen:])
    return min(1.0, 2 * min(below, above) / of)


def _normal(distance: float, variance: float) -> float:
    return 1.0 if variance <= 0 else erfc(abs(distance) / sqrt(2 * variance))
