"""Student's t distribution: the tail beyond a t, and the t of a tail. Knows no samples.

Written out because a handful of lines spares every installation a statistics package.
"""

from __future__ import annotations

from math import exp, hypot, isqrt, lgamma, log, sqrt

from vnetmig.errors import FieldError


def two_sided(t: float, degrees_of_freedom: float) -> float:
    """The probability of a value at least as far from 0 as ``t``, on either side.

    >>> round(two_sided(12.706, 1), 4)
    0.05
    """
    # With x = dof / (dof + t^2) it is I_x(dof / 2, 1 / 2). Both x and 1 - x are made from the ratio: a difference would
    # lose the digits of a small one.
    ratio = t / sqrt(degrees_of_freedom)
    long = hypot(1, ratio)
    return _incomplete_beta((1 / long) ** 2, (ratio / long) ** 2, degrees_of_freedom / 2, 0.5)


def quantile(level: float, degrees_of_freedom: float) -> float:
    """The t within which, on both sides of 0, the share ``level`` (between 0 and 1) of the distribution lies.

    >>> round(quantile(0.95, 10), 3)
    2.228
    """
    if not 0 < level < 1:
        raise FieldError(f"level {level!r}: expected a share between 0 and 1, such as 0.95")
    low, high = 0.0, 1.0
    while two_sided(high, degrees_of_freedom) > 1 - level:
        low, high = high, high * 2
    while low < (middle := (low + high) / 2) < high:
        if two_sided(middle, degrees_of_freedom) > 1 - level:
            low = middle
        else:
            high = middle
    return high


def _incomplete_beta(x: float, y: float, a: float, b: float) -> float:
    """The regularized I_x(a, b); ``y`` is 1 - x. The caller keeps x and y within 0 and 1, a and b above 0."""
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    # Beyond this the fraction converges slowly, that of the complement fast: DLMF 8.17(v).
    if x > (a + 1) / (a + b + 2):
        return 1 - _from_below(y, x, b, a)
    return _from_below(x, y, a, b)


def _from_below(x: float, y: float, a: float, b: float) -> float:
    power = exp(a * log(x) + b * log(y) + lgamma(a + b) - lgamma(a) - lgamma(b))
    return power / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)), the denominator of DLMF 8.17.22 (coefficients: 8.17.23), from its tail on.

    The number of terms grows with the root of the larger parameter, as "Numerical Recipes" (6.4) says of this fraction.
    """
    value = 1.0
    for m in range(30 + 3 * isqrt(int(max(a, b))), -1, -1):
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        value = 1 + odd / value
        if m:
            even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
            value = 1 + even / value
    return value
