"""A comparison of times as a sentence: faster, slower, no difference to be seen, or too few runs to tell.

Knows words and thresholds; computes no test. Lower is faster. Shares are of the mean before.
"""

from __future__ import annotations

from vnetmig.analysis.significance import Comparison

FEW = 10
"""With fewer runs on a side than this, "no difference" is said with how large one would have to be to be seen."""

TINY = 1e-15
"""No p below this is told apart: it would speak of the method's assumptions rather than of the runs."""


def verdict(comparison: Comparison, adjusted: float | None = None) -> str:
    """
    ``adjusted``: the p that decides instead of the comparison's own, when it is one of several (significance.holm).

    >>> from vnetmig.analysis.significance import welch
    >>> print(verdict(welch([100, 104, 102, 98, 101, 99], [88, 90, 89, 91, 87, 88])))
    faster by 12 % (95 % interval 9.3 to 14 %, p = 2e-6, n = 6 + 6)
    >>> print(verdict(welch([100, 104, 102, 98, 101, 99] * 2, [100, 101, 105, 98, 99, 103] * 2)))
    no difference can be seen (95 % interval 1.6 % faster to 2.3 % slower, p = 0.72, n = 12 + 12)
    >>> print(verdict(welch([100], [50])))
    too few runs to tell: n = 1 + 1
    """
    before, after = comparison.before, comparison.after
    runs = f"n = {before.n} + {after.n}"
    if comparison.standard_error is None:
        return f"too few runs to tell: {runs}"
    if comparison.p is None:
        if comparison.difference:
            return f"{movement(comparison)} in every run, and no test without any spread ({runs})"
        return f"no difference: every run took the same time ({runs})"
    found = probability(comparison.p) if adjusted is None else f"{probability(adjusted)} after Holm"
    significant = is_significant(comparison, adjusted)
    told = ", ".join([*_interval(comparison, say_way=not significant), found, runs])
    if significant:
        return f"{movement(comparison)} ({told})"
    return f"no difference can be seen ({told}{_resolution(comparison) if adjusted is None else ''})"


def is_significant(comparison: Comparison, adjusted: float | None = None) -> bool:
    """At the comparison's level; False without a test."""
    p = comparison.p if adjusted is None else adjusted
    return comparison.p is not None and p is not None and p < 1 - comparison.level


def movement(comparison: Comparison) -> str:
    """`faster by 12 %`: what the means say, proven or not."""
    if not comparison.before.mean:
        return f"{_way(comparison)}, from nothing"
    return f"{_way(comparison)} by {share(abs(comparison.difference) / comparison.before.mean)}"


def probability(p: float) -> str:
    """
    >>> probability(0.0734), probability(2.1e-5), probability(1e-40)
    ('p = 0.073', 'p = 2e-5', 'p < 1e-15')
    """
    if p < TINY:
        return f"p < {_power(TINY)}"
    return f"p = {p:.2g}" if p >= 1e-4 else f"p = {_power(p)}"


def share(value: float) -> str:
    """
    >>> share(0.95), share(0.0123)
    ('95 %', '1.2 %')
    """
    return f"{_percent(value)} %"


def _percent(value: float) -> str:
    percent = 100 * value
    return f"{percent:.1f}" if abs(percent) < 9.95 else f"{percent:.0f}"


def _power(value: float) -> str:
    digits, _, exponent = f"{value:.0e}".partition("e")
    return f"{digits}e{int(exponent)}"


def _way(comparison: Comparison) -> str:
    return "faster" if comparison.difference < 0 else "slower"


def _interval(comparison: Comparison, *, say_way: bool) -> list[str]:
    """None where there is nothing to be a share of."""
    low, high, mean = comparison.low, comparison.high, comparison.before.mean
    if low is None or high is None or not mean:
        return []
    if low < 0 < high:
        reach = f"{share(min(1.0, -low / mean))} faster to {share(high / mean)} slower"  # no time is below 0
    else:
        near, far = sorted((abs(low), abs(high)))
        far = min(far, mean) if low < 0 else far
        reach = f"{_percent(near / mean)} to {share(far / mean)}{' ' + _way(comparison) if say_way else ''}"
    return [f"{share(comparison.level)} interval {reach}"]


def _resolution(comparison: Comparison) -> str:
    low, high, mean = comparison.low, comparison.high, comparison.before.mean
    if min(comparison.before.n, comparison.after.n) >= FEW or low is None or high is None or not mean:
        return ""
    return f"; few runs: a difference below about {share((high - low) / 2 / mean)} would not show"
