from __future__ import annotations

import random

import pytest
from thread_table import MODES

from vnetmig.analysis.gain import Gain, Run, gains, sentences
from vnetmig.errors import FieldError


def runs(number: int = 20, **means: float) -> list[Run]:
    """``number`` runs, every device within about 2 % of its mean."""
    chance = random.Random(repr(means))
    return [{name: chance.gauss(mean, mean / 50) for name, mean in means.items()} for _ in range(number)]


def told(before: list[Run], after: list[Run]) -> list[str]:
    found = gains({"stock": before, "iterative": after}, "net")["iterative"]
    return list(sentences(found))


def test_what_the_thread_could_know() -> None:
    found = gains(MODES)["iterative"]
    assert isinstance(found, Gain)
    assert list(found.adjusted) == ["vga", "virtio-console", "virtio-scsi"]
    assert list(sentences(found)) == [
        "virtio-net, iterative against stock: faster by 22 % (95 % interval 14 to 30 %, p = 0.00099, n = 5 + 5).",
        (
            "All other devices: no difference can be seen (95 % interval 4.8 % faster to 13 % slower, p = 0.3, n = 5 +"
            " 5; few runs: a difference below about 9.1 % would not show); that they took back all of the gain is not"
            " excluded; none of the 3 moved alone, after Holm."
        ),
        (
            "All devices: no difference can be seen (95 % interval 12 % faster to 0.6 % slower, p = 0.07, n = 5 + 5;"
            " few runs: a difference below about 6.1 % would not show); paired by run, p = 0.12 (sign flips)."
        ),
    ]


def test_a_gain_that_the_others_pay_for() -> None:
    first, second, third = told(runs(net=1000, vga=500, scsi=800), runs(net=500, vga=500, scsi=1200))
    assert first.startswith("net, iterative against stock: faster by 50 %")
    assert second.startswith("All other devices: slower by ")
    assert "they took back 82 % of the gain; scsi slower by 51 % (p < 1e-15 after Holm)." in second
    assert "vga" not in second
    assert third.startswith("All devices: faster by 3.9 % (")
    assert third.endswith("paired by run, p = 0.0001 (sign flips).")


def test_a_gain_that_holds() -> None:
    first, second, third = told(runs(net=1000, vga=500, scsi=801), runs(net=500, vga=500, scsi=800))
    assert "faster by 50 %" in first
    assert "no difference can be seen" in second
    assert "% of the gain at most; none of the 2 moved alone" in second
    assert "faster by 2" in third


def test_others_that_gained_too() -> None:
    assert "took back" not in told(runs(net=1000, vga=500), runs(net=500, vga=400))[1]


@pytest.mark.parametrize("after", [1000, 1500])
def test_without_a_gain_there_is_nothing_to_take_back(after: float) -> None:
    first, second, _ = told(runs(net=1000, vga=500), runs(net=after, vga=700))
    assert "faster" not in first.partition("(")[0]
    assert "; vga slower by " in second and "took back" not in second


def test_one_run_tells_nothing() -> None:
    first, second, third = told(runs(1, net=1000, vga=500), runs(1, net=500, vga=700))
    assert first == "net, iterative against stock: too few runs to tell: n = 1 + 1."
    assert second == "All other devices: too few runs to tell: n = 1 + 1."
    assert third == "All devices: too few runs to tell: n = 1 + 1; paired by run, p = 1 (sign flips)."


def test_runs_that_are_not_paired() -> None:
    found = gains({"stock": runs(4, net=1000), "iterative": runs(6, net=500)}, "net")["iterative"]
    assert found.paired is None
    assert [line.count("sign flips") for line in sentences(found)] == [0, 0, 0]


def test_sums_are_those_of_each_run() -> None:
    before = [{"net": 10, "a": 1, "b": 100}, {"net": 12, "a": 3, "b": 80}]
    after = [{"net": 5, "a": 2, "b": 90}, {"net": 7, "a": 2, "b": 94}]
    found = gains({"stock": before, "iterative": after}, "net")["iterative"]
    assert (found.others.before.minimum, found.others.before.maximum) == (83, 101)
    assert (found.total.after.minimum, found.total.after.maximum) == (97, 103)
    assert found.total.difference == found.own.difference + found.others.difference
    assert list(found.each) == ["a", "b"]


def test_every_mode_is_compared_with_the_first() -> None:
    found = gains({"stock": runs(net=1000), "iterative": runs(net=500), "early": runs(net=400)}, "net")
    assert [(mode, gain.before, gain.after) for mode, gain in found.items()] == [
        ("iterative", "stock", "iterative"),
        ("early", "stock", "early"),
    ]


def test_the_device_is_all_that_bears_its_name() -> None:
    """Two cards, one with an instance number, and what the iterative sections cost."""
    names = {
        "0000:00:03.0/virtio-net": 1,
        "0000:00:04.0/virtio-net#1": 10,
        "0000:00:03.0/virtio-net-iterative": 100,
        "0000:00:05.0/virtio-net-other": 1000,
        "ram": 10000,
    }
    modes = {"stock": [names, names], "iterative": [names, names]}
    assert gains(modes)["iterative"].own.before.mean == 111
    assert gains(modes, "0000:00:03.0/virtio-net")["iterative"].own.before.mean == 101
    assert gains(modes, "ram")["iterative"].own.before.mean == 10000


def test_a_device_of_some_runs_counts_in_the_sums_only() -> None:
    """The iterative mode has a section that stock has not."""
    before = [{"net": 10, "a": 1}, {"net": 12, "a": 3}]
    after = [{"net": 5, "a": 2, "more": 4}, {"net": 7, "a": 1, "more": 4}]
    found = gains({"stock": before, "iterative": after}, "net")["iterative"]
    assert list(found.each) == ["a"]
    assert found.others.difference == 3.5


def test_errors_say_what_there_is() -> None:
    with pytest.raises(FieldError, match="no run has a device 'nett'; there are net, vga"):
        gains({"stock": runs(net=1, vga=1), "iterative": runs(net=1)}, "nett")
    with pytest.raises(FieldError, match="mode early: expected at least one run, got none"):
        gains({"stock": runs(net=1), "early": []}, "net")
    with pytest.raises(FieldError, match="there are none"):
        gains({})
