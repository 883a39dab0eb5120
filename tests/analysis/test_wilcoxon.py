from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.analysis import wilcoxon
from vnetmig.analysis.wilcoxon import rank_sum, signed_rank

SMALL = st.integers(-4, 4)


def ranks(values: list[float]) -> list[float]:
    return [(sum(x < y for x in values) + sum(x <= y for x in values) + 1) / 2 for y in values]


def both_tails(outcomes: list[float], seen: float) -> float:
    below = sum(each <= seen for each in outcomes)
    above = sum(each >= seen for each in outcomes)
    return min(1.0, 2 * min(below, above) / len(outcomes))


@given(st.lists(SMALL, max_size=8))
def test_signed_ranks_are_all_signs(differences: list[int]) -> None:
    moved = [each for each in differences if each]
    of = ranks([abs(each) for each in moved])
    outcomes = [sum(r for r, up in zip(of, signs, strict=True) if up) for signs in product((0, 1), repeat=len(of))]
    seen = sum(r for r, each in zip(of, moved, strict=True) if each > 0)
    assert signed_rank([(0, each) for each in differences]) == pytest.approx(both_tails(outcomes, seen))


@given(st.lists(SMALL, min_size=1, max_size=5), st.lists(SMALL, min_size=1, max_size=5))
def test_rank_sums_are_all_choices(before: list[int], after: list[int]) -> None:
    of = ranks([*before, *after])
    outcomes = [sum(chosen) for chosen in combinations(of, len(before))]
    assert rank_sum(before, after) == pytest.approx(both_tails(outcomes, sum(of[: len(before)])))


def test_many_are_near_the_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 of each: both ways of counting agree to the third digit."""
    before = [(7 * k) % 41 for k in range(20)]
    after = [(11 * k) % 43 + 5 for k in range(20)]
    normal = signed_rank(zip(before, after, strict=True)), rank_sum(before, after)
    monkeypatch.setattr(wilcoxon, "EXACT", 40)
    exact = signed_rank(zip(before, after, strict=True)), rank_sum(before, after)
    assert normal == pytest.approx(exact, abs=0.01)


@given(st.lists(st.tuples(SMALL, SMALL), max_size=60))
def test_the_order_of_pairs_and_of_sides_is_no_matter(pairs: list[tuple[int, int]]) -> None:
    assert signed_rank(pairs) == pytest.approx(signed_rank([(b, a) for a, b in reversed(pairs)]))
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    assert rank_sum(before, after) == pytest.approx(rank_sum(after, before))
    assert 0 < signed_rank(pairs) <= 1 and 0 < rank_sum(before, after) <= 1


def test_an_outlier_moves_nothing() -> None:
    pairs = [(10 + k, 9 + k) for k in range(30)]
    assert signed_rank(pairs) < 1e-6
    assert signed_rank([*pairs, (10, 40)]) == signed_rank([*pairs, (10, 40_000_000)])


def test_nothing_to_compare() -> None:
    assert signed_rank([]) == signed_rank([(1, 1)] * 50) == rank_sum([], [1]) == rank_sum([2] * 30, [2] * 30) == 1
