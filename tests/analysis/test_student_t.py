from __future__ import annotations

from math import atan, inf, pi, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.analysis.student_t import quantile, two_sided
from vnetmig.errors import FieldError

T = st.floats(0, 1e6)
DEGREES = st.floats(1, 1e5)


@pytest.mark.parametrize(
    ("level", "degrees", "t"),
    [  # as every table of the distribution prints them
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 4, 2.776),
        (0.95, 10, 2.228),
        (0.95, 30, 2.042),
        (0.95, 120, 1.980),
        (0.99, 4, 4.604),
        (0.90, 10, 1.812),
        (0.50, 1, 1.000),
        (0.999, 30, 3.646),
    ],
)
def test_of_the_tables(level: float, degrees: int, t: float) -> None:
    assert round(quantile(level, degrees), 3) == t


@given(T)
def test_one_degree_is_cauchy(t: float) -> None:
    assert two_sided(t, 1) == pytest.approx(1 - 2 * atan(t) / pi, rel=1e-6, abs=1e-12)


@given(T)
def test_two_degrees_in_closed_form(t: float) -> None:
    assert two_sided(t, 2) == pytest.approx(1 - t / sqrt(2 + t * t), rel=1e-6, abs=1e-10)


def test_many_degrees_are_the_normal_distribution() -> None:
    assert quantile(0.95, 1e7) == pytest.approx(1.959964, abs=1e-5)


@pytest.mark.parametrize(
    ("t", "degrees", "p"),
    [  # scipy 1.x, 2 * stats.t.sf
        (42.35488846, 6.40008091, 4.416731e-9),
        (12.546140889230081, 8120, 8.948231976e-36),
        (2.2475356094148746, 5.426935295313187, 0.07032145979),
        (300, 1000, 0.0),
    ],
)
def test_far_tails(t: float, degrees: float, p: float) -> None:
    assert two_sided(t, degrees) == pytest.approx(p, rel=1e-5)


@given(T, DEGREES)
def test_a_share_the_same_on_both_sides(t: float, degrees: float) -> None:
    assert 0 <= two_sided(t, degrees) <= 1
    assert two_sided(-t, degrees) == two_sided(t, degrees)
    assert two_sided(0, degrees) == 1
    assert two_sided(inf, degrees) == 0


@given(st.floats(0, 50), st.floats(1e-3, 50), DEGREES)
def test_farther_is_rarer(t: float, more: float, degrees: float) -> None:
    assert two_sided(t + more, degrees) <= two_sided(t, degrees)


@given(st.floats(0.001, 0.999), DEGREES)
def test_quantile_and_tail_undo_each_other(level: float, degrees: float) -> None:
    assert two_sided(quantile(level, degrees), degrees) == pytest.approx(1 - level, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(FieldError, match="between 0 and 1"):
        quantile(level, 4)
