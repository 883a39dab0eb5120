"""The guest's and the backends' tables."""

from __future__ import annotations

from runs import HERE, run, stock_run, there

from vnetmig.report import text
from vnetmig.report.both_sides import backend_blocks, guest_blocks


def test_guest() -> None:
    runs = [run("early", here=HERE, there=there()), run("early", here=HERE, there=there(lost=1))]
    shown = list(text.plain(guest_blocks({"early": runs})))
    assert shown[-1].split() == ["early", "2", "300", "20", "100", "2.0", "1", "1"]


def test_a_guest_that_reset_its_device_loses_nothing_that_counts() -> None:
    shown = list(text.plain(guest_blocks({"early": [run("early", here=HERE, there=there(lost=None))]})))
    assert shown[-2].split()[-2:] == ["-", "0"] and "reset its device" in shown[-1]


def test_backends() -> None:
    shown = list(text.plain(backend_blocks({"early": [run("early", here=HERE, there=there())]})))
    assert shown[0].startswith("backend work at the destination (tap")
    assert shown[2].split() == ["early", "1", "13.0", "24.0", "5.0", "4.0", "4.0", "0.9", "0"]


def test_nothing_to_show() -> None:
    assert not list(guest_blocks({"stock": [stock_run(1)]})) and not list(backend_blocks({"stock": [stock_run(1)]}))


def test_a_mode_without_backends_has_no_row() -> None:
    runs = {"stock": [stock_run(1)], "early": [run("early", here=HERE, there=there())]}
    shown = [line.split()[0] for line in text.plain(backend_blocks(runs))]
    assert "early" in shown and "stock" not in shown
