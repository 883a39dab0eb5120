"""The page of a downtime report in a browser: silent, readable in light and dark, and harmless."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from pages import browser, silent_pages
from ping_output import LOST
from playwright.sync_api import Browser, Page

import vnetmig
from traces import checkpoint, event, unpacked
from vnetmig.report.figures.drawing import INKS
from vnetmig.report.html.downtime import downtime_page
from vnetmig.report.html.page import asset

pytestmark = pytest.mark.browser

ATTACK = "</script><img src=x onerror=alert(1)>"

Open = Callable[[str], Page]


@pytest.fixture(scope="module")
def started(chromium: str | None) -> Iterator[Browser]:
    with browser(chromium) as found:
        yield found


@pytest.fixture
def show(started: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a page. At the end of the test it must have said nothing and asked for nothing."""
    with silent_pages(started, 1200, tmp_path, "figure svg") as open_page:
        yield open_page


@lru_cache(maxsize=1)
def experiment() -> str:
    return downtime_page(vnetmig.downtime(runs=[unpacked("rfc-1q")]))


def of_logs(source: str, **more: bytes) -> str:
    return downtime_page(vnetmig.downtime(source.encode(), **more))  # type: ignore[arg-type]


def test_the_answer_is_read_first(show: Open) -> None:
    page = show(experiment())
    told = page.locator("#short").inner_text()
    assert told.startswith("Loading virtio-net takes 516 us less (p < 1e-15)")
    assert page.locator("#short").bounding_box()["y"] < 100  # type: ignore[index]
    assert page.locator("figure h2").all_inner_texts() == [
        "Load, on the destination: who gained, who paid",
        "Load, on the destination: every migration",
        "Save, on the source: who gained, who paid",
        "Save, on the source: every migration",
        "On the clock",
    ]
    verdict = page.locator("#verdict").inner_text()
    assert "they took back 67 % of the gain" in verdict and "1q +283 us (p = 0.24), 1qB -712 us (p = 0.005)" in verdict


def test_every_migration_is_drawn(show: Open) -> None:
    page = show(experiment())
    strips = page.locator("figure", has_text="Load, on the destination: every migration")
    dots = strips.locator("use.fill-before, use.fill-after").count()
    assert dots >= 12 * 216
    words = strips.locator("text").all_text_contents()
    assert {"0000:00:04.0/virtio-net", "all devices", "off (n = 108)", "on (n = 108)"} <= set(words)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_scheme_and_differ_in_lightness_too(show: Open, scheme: str) -> None:
    """Of the two arms, so that they differ for those who see no colours; shapes differ as well."""
    page = show(experiment())
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    colour = "element => getComputedStyle(element).fill"
    drawn = {
        ink: page.locator(f"figure .fill-{ink}").first.evaluate(colour) for ink in ("before", "after", "ink", "soft")
    }
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert len(set(drawn.values())) == 4
    for ink, least in (("before", 3), ("after", 3), ("ink", 4.5), ("soft", 4.5)):
        assert contrast(drawn[ink], ground) >= least, ink
    assert page.locator("figure svg [style]").count() == 0


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(rgb: str) -> float:
    parts = [int(number) / 255 for number in re.findall(r"\d+", rgb)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_ink_has_its_colour() -> None:
    sheet = asset("downtime.css")
    for ink in INKS.values():
        assert f".fill-{ink} " in sheet and f".stroke-{ink} " in sheet


def test_nothing_runs_off_the_page(show: Open) -> None:
    """Wide things scroll inside of their own boxes, on a narrow window too."""
    page = show(experiment())
    page.locator("summary", has_text="All tables").click()
    for width in (1200, 500):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#tables tbody tr").count() > 300


def test_figures_are_named_for_those_who_hear_them(show: Open) -> None:
    page = show(experiment())
    for picture in page.locator("figure svg[role=img]").all():
        assert len(picture.get_attribute("aria-label") or "") > 40
    assert page.locator("figure .drawing[tabindex='0']").count() == 5


def test_names_from_a_log_are_text(show: Open) -> None:
    name = f"{ATTACK}$x_1$ &lt;b&gt;"
    text = of_logs(event("load", name, 500) + event("load", "cpu", 20))
    page = show(text)
    assert page.locator("img").count() == 0
    assert any("$x_1$ &lt;b&gt;" in text for text in page.locator("figure text").all_text_contents())
    assert ATTACK not in text


def test_one_migration_with_a_ping(show: Open) -> None:
    source = checkpoint("src-vm-stopped", "1@100.600000:") + event("save", "cpu", 9, front="1@100.610000:")
    source += checkpoint("src-iterable-saved", "1@100.605000:") + checkpoint("src-non-iterable-saved", "1@100.620000:")
    loaded = event("load", "cpu", 9, front="2@100.640000:") + checkpoint(
        "dst-precopy-loadvm-completed", "2@100.645000:"
    )
    loaded += checkpoint("dst-precopy-bh-vm-started", "2@100.650000:")
    page = show(of_logs(source + loaded, ping=LOST.encode()))
    network = page.locator("figure", has_text="Blackout and outage")
    told = network.locator("text").all_text_contents()
    assert {"50.0 ms", "400.0 ms", "guest stands still", "no reply to ping"} <= set(told)
    assert page.locator("#short").inner_text() == "" and page.locator("#verdict-heading").is_hidden()


def test_the_same_logs_give_the_same_page() -> None:
    folder = unpacked("q111-1qs4")
    first, second = (downtime_page(vnetmig.downtime(folder / "vm00.log", folder / "vm01.log")) for _ in range(2))
    assert first == second
