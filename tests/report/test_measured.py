"""All sections of a device are one device, whatever the mode calls them."""

from __future__ import annotations

import pytest
from runs import NET, delta_run, line, run, section, stock_run

from vnetmig.report.measured import SUFFIXES, Measured, spent_by_device


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sections_of_a_device_belong_together(suffix: str) -> None:
    sections = section(NET + suffix, 50, early=True), section(NET + suffix, 3, save=2), section(NET, 7, save=5)
    found = spent_by_device(line("any", *sections))
    assert list(found) == [NET]
    assert (found[NET].save, found[NET].load, found[NET].downtime, found[NET].bytes) == (7, 10, 17, 200)
    assert (found[NET].early_load, found[NET].early_bytes) == (50, 100)


def test_a_suffix_alone_makes_no_device() -> None:
    """A name that ends like one, of a device that is not there without it, is a name."""
    assert list(spent_by_device(line("any", section("so-early", 1)))) == ["so-early"]


def test_groups_add_up() -> None:
    measured = Measured.of({"stock": [stock_run(900)], "iterative-delta": [delta_run(300)]})
    assert measured.devices == [NET, "vga"] and measured.first == "stock"
    assert [title for title, _ in measured.groups()] == ["virtio-net", "all other devices", "all devices"]
    for mode in measured.modes:
        net, others, both = (measured.samples(mode, names)[0] for _, names in measured.groups())
        assert net + others == both
    assert measured.samples("iterative-delta", measured.nets, "bytes") == [108]
    assert measured.by_device("iterative-delta") == [{NET: 1330.0, "vga": 1400.0}]


def test_what_went_early_only_is_no_device_with_a_downtime() -> None:
    described = run("preheat-all", section("vnetmig/vmdescription", 5, early=True), section("vga", 4))
    measured = Measured.of({"preheat-all": [described]})
    assert measured.devices == ["vga"]
    assert [title for title, _ in measured.groups()] == ["all devices"]


def test_only_completed_runs_are_measured() -> None:
    measured = Measured.of(
        {"stock": [stock_run(1), run("stock", state="failed")], "early": [run("early", state="failed")]}
    )
    assert list(measured.modes) == ["stock"] and len(measured.runs["stock"]) == 1
    assert not Measured.of({"stock": [run("stock", state="failed")]}).modes


def test_the_total_is_that_of_each_run() -> None:
    """Devices of one run are not independent: a sum of variances would be another number."""
    loads = [(1, 10), (3, 10), (2, 13)]
    runs = [run("stock", section("a", a, save=0), section("b", b, save=0)) for a, b in loads]
    assert Measured.of({"stock": runs}).samples("stock") == [11, 13, 15]


def test_a_name_that_comes_twice_keeps_both_times() -> None:
    assert spent_by_device(line("stock", section("slirp", 2), section("slirp", 3)))["slirp"].load == 5
