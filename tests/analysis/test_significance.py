from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from thread_table import MODES, TABLE

from vnetmig.analysis.significance import Comparison, effect, holm, interval, sign_flip, welch
from vnetmig.migration.timeline import Statistics

SAMPLES = st.lists(st.integers(0, 10**9), min_size=2, max_size=12)
PAIRS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=20)


def comparison_of(before: list[int], after: list[int]) -> Comparison:
    found = welch(before, after)
    assume(found.p is not None)
    return found


@pytest.mark.parametrize("name", TABLE)
def test_the_threads_statistics(name: str) -> None:
    for row in TABLE[name]:
        found = Statistics.of(row.samples)
        assert row.mean <= found.mean + 1e-9 < row.mean + 0.01  # the means are printed cut off, not rounded
        assert found.variance == pytest.approx(row.variance, abs=0.00006)
        assert found.sigma is not None and round(found.sigma, 3) == row.sigma


@pytest.mark.parametrize(
    ("name", "difference", "t", "p"),
    [  # p: scipy, ttest_ind(equal_var=False)
        ("vga", 0.10, 1.3, 0.22025),
        ("virtio-console", 0.16, 0.7, 0.50785),
        ("virtio-net", -3.83, -7.5, 0.00099037),
        ("virtio-scsi", 1.00, 1.0, 0.37420),
    ],
)
def test_of_the_threads_four_devices_one_changed(name: str, difference: float, t: float, p: float) -> None:
    before, after = TABLE[name]
    found = welch(before.samples, after.samples)
    assert found.t is not None
    assert (round(found.difference, 2), round(found.t, 1)) == (difference, t)
    assert found.p == pytest.approx(p, rel=1e-4)


def test_the_threads_sum_is_neither_proven_nor_excluded() -> None:
    sums = [[sum(run.values()) / 1e6 for run in MODES[mode]] for mode in ("stock", "iterative")]
    found = welch(*sums)
    assert found.t is not None and found.low is not None and found.high is not None
    assert (round(found.difference, 1), round(found.t, 1)) == (-2.6, -2.2)
    assert found.degrees_of_freedom == pytest.approx(5.42694, rel=1e-5)
    assert found.p == pytest.approx(0.070321, rel=1e-4)
    assert found.low < 0 < found.high


def test_the_threads_sigma_is_no_difference_between_means() -> None:
    """virtio-scsi: sigma doubles, and the effect of half a sigma is nothing that five runs can show."""
    before, after = TABLE["virtio-scsi"]
    assert effect(before.samples, after.samples) == pytest.approx(0.5486, rel=1e-3)
    net = TABLE["virtio-net"]
    assert effect(net[0].samples, net[1].samples) == pytest.approx(-4.2612, rel=1e-3)


def test_five_pairs_cannot_be_significant_by_signs() -> None:
    before, after = TABLE["virtio-net"]
    assert sign_flip(zip(before.samples, after.samples, strict=True)) == 2 / 32


def test_interval() -> None:
    """The mean of virtio-net with five runs: 2.776 sigma / sqrt(5) to both sides."""
    row = TABLE["virtio-net"][0]
    found = interval(row.samples)
    assert found is not None
    assert found == pytest.approx((17.33 - 2.776 * 1.109 / 5**0.5, 17.33 + 2.776 * 1.109 / 5**0.5), abs=0.002)
    assert interval(Statistics.of(row.samples)) == found
    wider = interval(row.samples, 0.99)
    assert wider is not None and wider[0] < found[0] < found[1] < wider[1]
    assert interval([17.33]) is None


def test_an_interval_keeps_its_promise() -> None:
    """Of 2,000 sets of six samples, 95 % of the intervals hold the mean they were drawn around."""
    chance = random.Random(6)
    found = [interval([chance.gauss(100, 15) for _ in range(6)]) for _ in range(2000)]
    assert 0.94 < sum(pair is not None and pair[0] < 100 < pair[1] for pair in found) / len(found) < 0.96


def test_welch_is_as_often_wrong_as_it_says() -> None:
    """Equal means, spreads and numbers that differ: p below 0.05 in a twentieth of the cases."""
    chance = random.Random(7)
    p_values = [
        welch([chance.gauss(9, 1) for _ in range(5)], [chance.gauss(9, 3) for _ in range(12)]).p for _ in range(2000)
    ]
    assert 0.04 < sum(p is not None and p < 0.05 for p in p_values) / len(p_values) < 0.06


def test_one_sample_allows_no_test() -> None:
    found = welch([3, 4, 5], [1])
    assert found.difference == -3
    assert (found.standard_error, found.t, found.degrees_of_freedom, found.p, found.low, found.high) == (None,) * 6
    assert effect([3, 4, 5], [1]) is None


def test_without_spread_there_is_nothing_to_test() -> None:
    found = welch([3, 3], [1, 1])
    assert (found.difference, found.standard_error, found.t, found.p) == (-2, 0, None, None)
    assert effect([3, 3], [1, 1]) is None


@given(SAMPLES, SAMPLES)
def test_p_is_a_probability_and_agrees_with_the_interval(before: list[int], after: list[int]) -> None:
    found = comparison_of(before, after)
    assert found.p is not None and found.low is not None and found.high is not None
    assert 0 < found.p <= 1
    assert found.low <= found.difference <= found.high
    assume(abs(found.p - 0.05) > 1e-9)
    assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


@given(SAMPLES, SAMPLES)
def test_the_other_way_round_only_signs_change(before: list[int], after: list[int]) -> None:
    there, back = comparison_of(before, after), comparison_of(after, before)
    assert there.p == pytest.approx(back.p)
    assert there.t is not None and back.t is not None and there.t == -back.t
    assert there.low is not None and back.high is not None and there.low == pytest.approx(-back.high)
    assert effect(before, after) == -(effect(after, before) or 0)


@given(SAMPLES, SAMPLES, st.randoms())
def test_the_order_of_samples_does_not_matter(before: list[int], after: list[int], chance: random.Random) -> None:
    mixed = chance.sample(before, len(before)), chance.sample(after, len(after))
    assert welch(*mixed) == welch(before, after)


@given(SAMPLES, SAMPLES, st.sampled_from([0.001, 1000]))
def test_the_unit_does_not_matter(before: list[int], after: list[int], unit: float) -> None:
    found = comparison_of(before, after)
    scaled = welch([unit * sample for sample in before], [unit * sample for sample in after])
    assert scaled.p == pytest.approx(found.p)
    assert effect(before, after) == pytest.approx(
        effect([unit * sample for sample in before], [unit * sample for sample in after])
    )


@pytest.mark.parametrize(
    ("pairs", "p"),
    [
        ([], 1),
        ([(1, 1), (7, 7)], 1),
        ([(2, 1)], 1),
        ([(5, 4), (6, 4), (7, 4)], 0.25),
        ([(5, 4), (4, 5)], 1),
        ([(0, 3), (0, 2), (1, 0)], 0.5),  # +3 +2 -1: |4| or more with +++, ++-, --- and --+
    ],
)
def test_sign_flip_exactly(pairs: list[tuple[float, float]], p: float) -> None:
    assert sign_flip(pairs) == p


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_sign_flip_is_the_count_over_all_signs(pairs: list[tuple[int, int]]) -> None:
    differences = [after - before for before, after in pairs]
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(pairs))
    ]
    assert sign_flip(pairs) == sum(total >= abs(sum(differences)) for total in sums) / len(sums)


def test_sign_flip_sees_ties_through_rounding() -> None:
    """0.6 + 0.3 + 0.3 + 0.1 is 1.3 in this order and less from the small end, where the test adds."""
    assert sign_flip([(0, 0.6), (0, 0.3), (0, 0.3), (0, 0.1)]) == 2 / 16
    assert sign_flip([(0, 0.1), (0, 0.2), (0, 0.3), (0.6, 0)]) == 1


@given(PAIRS, st.randoms())
def test_sign_flip_symmetry(pairs: list[tuple[int, int]], chance: random.Random) -> None:
    p = sign_flip(pairs, flips=99)
    assert 0 < p <= 1
    assert sign_flip([(after, before) for before, after in pairs], flips=99) == p
    assert sign_flip(chance.sample(pairs, len(pairs)), flips=99) == p


def test_sign_flip_by_chance_comes_near_the_exact_p() -> None:
    chance = random.Random(8)
    pairs = [(chance.gauss(10, 2), chance.gauss(9, 2)) for _ in range(13)]
    exact = sign_flip(pairs, flips=2**13)
    assert 0.01 < exact < 0.9
    drawn = sign_flip(pairs, flips=2**13 - 1)
    assert drawn == pytest.approx(exact, abs=0.02) and drawn != exact
    assert sign_flip(pairs, flips=2**13 - 1, seed=1) != drawn


def test_no_p_below_what_was_tried() -> None:
    assert sign_flip([(2 * number + 9, number) for number in range(60)], flips=999) == 1 / 1000


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # R: p.adjust(c(.01,.04,.03,.005), "holm")
        ([0.5, 0.6], [1, 1]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(p_values) == pytest.approx(adjusted)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_forgives_nothing(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in ranked] == sorted(adjusted)


def test_effect_does_not_grow_with_the_number_of_samples() -> None:
    few, many = effect([1, 2, 3], [2, 3, 4]), effect([1, 2, 3] * 50, [2, 3, 4] * 50)
    assert few == pytest.approx(0.8)  # d = 1, times 1 - 3 / 15
    assert many == pytest.approx(1.218, abs=0.001)
    t = welch([1, 2, 3] * 50, [2, 3, 4] * 50).t
    assert t is not None and t > 10
