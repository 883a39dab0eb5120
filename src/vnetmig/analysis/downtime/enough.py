"""Are the runs enough? Which difference they would show, and how many would show the one that was seen.

Knows comparisons; knows no words. "Show" is: the test says so at its level, in POWER of all repetitions.
"""

from __future__ import annotations

from math import ceil
from statistics import NormalDist

from vnetmig.analysis.significance import Comparison
from vnetmig.analysis.student_t import quantile

POWER = 0.8
RUNS_MAX = 10**9
MANY = 200

_STANDARD = NormalDist()
_BEYOND = _STANDARD.inv_cdf(POWER)


def detectable(found: Comparison) -> float | None:
    """The smallest difference that as many runs with this spread would show; None without a test.

    >>> from vnetmig.analysis.significance import welch
    >>> round(detectable(welch([100, 104, 102, 98, 101, 99], [88, 90, 89, 91, 87, 88])), 1)
    3.3
    """
    if found.p is None or found.standard_error is None or found.degrees_of_freedom is None:
        return None
    return (quantile(found.level, found.degrees_of_freedom) + _BEYOND) * found.standard_error


def needed(found: Comparison) -> int | None:
    """Runs on each side that would show the difference that was seen, with the spread that was seen; None without a
    test or a difference.

    >>> from vnetmig.analysis.significance import welch
    >>> needed(welch([100, 104, 102, 98], [101, 103, 102, 99]))
    1204
    """
    first, second = found.before.variance, found.after.variance
    if found.p is None or first is None or second is None or not found.difference:
        return None
    share = (first + second) / found.difference**2
    runs = ceil(min(RUNS_MAX, share * (_STANDARD.inv_cdf((1 + found.level) / 2) + _BEYOND) ** 2))
    if runs < MANY:  # Student's t asks for more when they are few; the second time it asks for nearly the same
        for _ in range(2):
            runs = ceil(share * (quantile(found.level, 2 * max(1, runs - 1)) + _BEYOND) ** 2)
    return runs
