from __future__ import annotations

import pytest
from thread_table import TABLE

from vnetmig.analysis.significance import holm, welch
from vnetmig.analysis.verdict import is_significant, probability, verdict

FAST, SLOW = [88, 90, 89, 91, 87, 88], [100, 104, 102, 98, 101, 99]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (SLOW, FAST, "faster by 12 % (95 % interval 9.3 to 14 %, p = 2e-6, n = 6 + 6)"),
        (FAST, SLOW, "slower by 13 % (95 % interval 11 to 16 %, p = 2e-6, n = 6 + 6)"),
        (
            SLOW,
            SLOW,
            (
                "no difference can be seen (95 % interval 2.8 % faster to 2.8 % slower, p = 1, n = 6 + 6; few runs: a"
                " difference below about 2.8 % would not show)"
            ),
        ),
        (
            SLOW * 2,
            [*SLOW, *SLOW[:5], 101],
            "no difference can be seen (95 % interval 1.5 % faster to 1.9 % slower, p = 0.84, n = 12 + 12)",
        ),
        ([3], [4], "too few runs to tell: n = 1 + 1"),
        ([3, 4], [4], "too few runs to tell: n = 2 + 1"),
        ([3, 3], [3, 3], "no difference: every run took the same time (n = 2 + 2)"),
        ([4, 4], [3, 3], "faster by 25 % in every run, and no test without any spread (n = 2 + 2)"),
        (
            [1, 2],
            [1, 5],
            (
                "no difference can be seen (95 % interval 100 % faster to 1450 % slower, p = 0.59, n = 2 + 2; few runs:"
                " a difference below about 1350 % would not show)"
            ),
        ),
        ([0, 0], [30, 31], "slower, from nothing (p = 0.01, n = 2 + 2)"),
        ([0, 0], [3, 3], "slower, from nothing in every run, and no test without any spread (n = 2 + 2)"),
        ([0, 0], [0, 5], "no difference can be seen (p = 0.5, n = 2 + 2)"),
    ],
)
def test_words(before: list[float], after: list[float], words: str) -> None:
    assert verdict(welch(before, after)) == words


def test_what_the_threads_five_runs_allow_to_say() -> None:
    said = {name: verdict(welch(rows[0].samples, rows[1].samples)) for name, rows in TABLE.items()}
    assert said["virtio-net"] == "faster by 22 % (95 % interval 14 to 30 %, p = 0.00099, n = 5 + 5)"
    assert [name for name, words in said.items() if words.startswith("no difference can be seen")] == [
        "vga",
        "virtio-console",
        "virtio-scsi",
    ]
    assert said["virtio-scsi"].endswith("few runs: a difference below about 18 % would not show)")


@pytest.mark.parametrize(("number", "few"), [(9, True), (10, False)])
def test_few_runs_are_called_so(number: int, few: bool) -> None:
    samples = [100.0 + run % 3 for run in range(number)]
    assert ("few runs" in verdict(welch(samples, samples * 2))) is few
    assert ("few runs" in verdict(welch(samples * 2, samples))) is few


def test_the_adjusted_p_decides() -> None:
    found = welch([10, 11, 12, 13], [13, 14, 15, 16])
    assert found.p is not None and is_significant(found)
    adjusted = holm([found.p, 0.5, 0.6, 0.9])[0]
    assert verdict(found) == "slower by 26 % (95 % interval 6.7 to 46 %, p = 0.017, n = 4 + 4)"
    assert not is_significant(found, adjusted)
    assert verdict(found, adjusted) == (
        "no difference can be seen (95 % interval 6.7 to 46 % slower, p = 0.067 after Holm, n = 4 + 4)"
    )


def test_the_level_is_the_comparisons() -> None:
    found = welch([10, 11, 12, 13], [13, 14, 15, 16], level=0.99)
    assert not is_significant(found)
    assert "99 % interval 3.3 % faster to 56 % slower" in verdict(found)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "p = 1"),
        (0.05, "p = 0.05"),
        (0.00123, "p = 0.0012"),
        (0.00099, "p = 0.00099"),
        (9.9e-5, "p = 1e-4"),
        (1e-15, "p = 1e-15"),
        (2e-300, "p < 1e-15"),
    ],
)
def test_probability(p: float, text: str) -> None:
    assert probability(p) == text
