"""What makes a run a good one."""

from __future__ import annotations

import pytest
from runs import HERE, run, stock_run, there

from vnetmig.migration.comparison import Difference
from vnetmig.report.afterwards import Afterwards
from vnetmig.report.run import GuestHere, complete


def test_good_ones() -> None:
    assert stock_run(1000).good
    assert run("stock", here=HERE, there=there()).good
    assert run("stock", here=HERE, there=there(lost=None)).good, "the guest threw them away itself"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"there": there(failure="packet 7 is lost")}, "the guest failed at the destination: packet 7 is lost"),
        ({"there": there(lost=2)}, "2 packets of the guest are lost"),
        ({"there": there(counted=7)}, "the guest made 420 steps on both sides together, and knows of 7"),
        ({"there": Afterwards()}, "no guest went on at the destination"),
        ({"unheard": "it said nothing"}, "it said nothing"),
        ({"here": GuestHere(1, 1, 0, "no answer"), "state": "failed"}, "the guest failed at the source: no answer"),
    ],
)
def test_faults(options: dict[str, object], fault: str) -> None:
    made = run("stock", **{"here": HERE, **options})  # type: ignore[arg-type]
    assert not made.good and list(made.faults()) == [fault]


def test_a_failed_migration_has_no_other_fault() -> None:
    made = run("stock", here=HERE, there=Afterwards(), unheard="it said nothing", state="failed")
    assert not made.good and not list(made.faults())


def test_differences_count() -> None:
    bad = run("stock", differences=(Difference("net", 0, "byte 0x7 is 0x01", 7),))
    assert not bad.good
    assert not complete({"stock": [stock_run(1), bad]}) and complete({"stock": [stock_run(1)]})
