"""Figures as trees: nothing in them that a page's policy forbids, no colour of their own, no clash between two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import vnetmig
from traces import checkpoint, event, unpacked
from vnetmig.report.figures.devices import DOTS, differences, strips
from vnetmig.report.figures.downtime import figures_of
from vnetmig.report.figures.drawing import _KEPT, INKS, _styles, svg, tree


def nodes(node: Any) -> Iterator[tuple[str, dict[str, str], list[Any]]]:
    tag, attributes, children = node
    yield tag, attributes, children
    for child in children:
        if isinstance(child, list):
            yield from nodes(child)


@pytest.fixture(scope="module")
def drawn() -> dict[str, Any]:
    folders = [unpacked("q100-1q-fwkvm"), unpacked("q111-1qs4")]
    return {each.name: tree(each.figure, each.name) for each in figures_of(vnetmig.downtime(runs=folders))}


def test_what_there_is_to_draw(drawn: dict[str, Any]) -> None:
    assert list(drawn) == ["load-differences", "load-devices", "save-differences", "save-devices", "time-line"]


def test_no_styles_and_no_colours_but_by_class(drawn: dict[str, Any]) -> None:
    classes = {f"{kind}-{ink}" for kind in ("fill", "stroke") for ink in INKS.values()}
    for tag, attributes, _ in (each for figure in drawn.values() for each in nodes(figure)):
        assert tag in _KEPT
        assert not {"style", "onclick", "xmlns"} & attributes.keys()
        assert {attributes.get("fill", "none"), attributes.get("stroke", "none")} == {"none"}
        assert set(attributes.get("class", "").split()) <= classes


def test_references_stay_inside_their_own_figure(drawn: dict[str, Any]) -> None:
    for name, figure in drawn.items():
        made = {attributes["id"] for _, attributes, _ in nodes(figure) if "id" in attributes}
        used = {attributes["href"][1:] for _, attributes, _ in nodes(figure) if "href" in attributes}
        clips = {attributes["clip-path"][5:-1] for _, attributes, _ in nodes(figure) if "clip-path" in attributes}
        assert used and used | clips <= made
        assert all(each.startswith(f"{name}-") for each in made)


def test_names_of_any_bytes_are_drawn() -> None:
    """XML has no control characters, matplotlib reads dollars as formulas, and a name may be 255 bytes long."""
    names = ["a\x1b[2J", "b\udcff\u202e", r"$\broken$ 3$", "<i>&amp;", "x" * 255]
    front = "7@1.{:06}:"
    log = checkpoint("src-iterable-saved", front.format(0)).encode()
    for side in ("save", "load"):
        for place, name in enumerate(names, 1):
            log += event(side, name, 900, front=front.format(1000 * place)).encode("utf-8", "surrogateescape")
    log += checkpoint("src-non-iterable-saved", front.format(9000)).encode()
    for name in ("dst-precopy-loadvm-completed", "dst-precopy-bh-vm-started"):
        log += checkpoint(name, front.format(9900)).encode()
    found = {each.name: tree(each.figure, each.name) for each in figures_of(vnetmig.downtime(log))}
    for name in ("load-devices", "time-line"):
        words = [child for _, _, children in nodes(found[name]) for child in children if isinstance(child, str)]
        assert {"a\\x1b[2J", r"$\broken$ 3$", "<i>&amp;"} <= set(words), name
    assert svg(strips(vnetmig.downtime(log), "save")).isascii()


def test_of_very_many_samples_those_far_out_are_all_drawn() -> None:
    log = "".join(event("load", "cpu", 50_000 if k % 1000 == 1 else 100 + k % 7) for k in range(5000))
    figure = strips(vnetmig.downtime(log.encode()), "load")
    of_cpu = figure.axes[0].lines[0].get_xdata()
    assert sum(value == 50_000 for value in of_cpu) == 5 and len(of_cpu) < 2 * DOTS


def test_what_a_font_says_is_kept_in_parts() -> None:
    assert dict(_styles("font: bold 7.5px 'DejaVu Sans'; fill: #000")) == {
        "font-size": "7.5",
        "font-weight": "bold",
        "fill": "#000",
    }
    assert dict(_styles("font: inherit")) == {}


def test_one_migration_of_each_arm_is_drawn_without_intervals(tmp_path: Path) -> None:
    for name, took in (("a", 5), ("b", 9)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vm00.log").write_text(event("save", "cpu", took))
        (tmp_path / name / "vm01.log").write_text(event("load", "cpu", took))
    told = vnetmig.downtime(runs=[tmp_path / "a", tmp_path / "b"])
    assert all(row.welch.low is None for row in told.against)
    assert "load-differences" in [each.name for each in figures_of(told)]


def test_arms_that_are_not_compared_have_no_differences() -> None:
    told = vnetmig.downtime((event("save", "cpu", 5) + event("load", "cpu", 5)).encode())
    assert [each.name for each in figures_of(replace(told, arms=("all", "other")))] == ["load-devices", "save-devices"]


def test_no_line_between_devices_and_sums_where_there_are_only_sums() -> None:
    told = vnetmig.downtime(runs=[unpacked("q100-1q-fwkvm"), unpacked("q111-1qs4")])
    sums = replace(told, against=tuple(row for row in told.against if row.quantity.kind == "sum"))
    assert len(differences(told, "load", told.arms[1]).axes[0].lines) > len(
        differences(sums, "load", told.arms[1]).axes[0].lines
    )
