"""The page of a matrix in a browser: silent, by mouse and by keyboard, filtered, printed, and harmless."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pytest
from machines import USER, machine
from pages import browser, silent_pages
from playwright.sync_api import Browser, Page

import vnetmig
from vnetmig.analysis.matrix.matrix import Matrix
from vnetmig.report.html.matrix import matrix_page
from vnetmig.report.matrix import reasons

pytestmark = pytest.mark.browser

ATTACK = "</script><img src=x onerror=alert(1)>"
CONTRAST_MIN = 4.5

Open = Callable[[Matrix], Page]


@pytest.fixture(scope="module")
def started(chromium: str | None) -> Iterator[Browser]:
    with browser(chromium) as found:
        yield found


@pytest.fixture
def show(started: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a matrix's page. At the end of the test it must have said nothing and asked for nothing."""
    with silent_pages(started, 1400, tmp_path, "#table button[aria-current]") as open_page:
        yield lambda found: open_page(matrix_page(found))


@lru_cache(maxsize=1)
def alias() -> Matrix:
    return vnetmig.matrix({"vm": machine(USER, "pc")}, qemu=["7.2", "10.0.13", "11.1"])


@lru_cache(maxsize=1)
def of_two() -> Matrix:
    profiles = {"node1": machine(USER), "node2": machine(f"{USER},ctrl_rx_extra=off")}
    return vnetmig.matrix(profiles, qemu=["7.2", "10.0.2", "11.1"])


def rows(page: Page) -> list[str]:
    """The rows that are shown, cells apart by a bar."""
    found = page.locator("#table tbody tr:visible")
    return [" | ".join(row.locator("th, td").all_inner_texts()) for row in found.all()]


def chosen(page: Page) -> str:
    label = page.locator("#table button[aria-current]").get_attribute("aria-label")
    assert label is not None
    return label


def test_every_pair_is_there_with_a_sign_and_a_word(show: Open) -> None:
    page = show(alias())
    assert page.locator("#summary").inner_text() == "18 pairs: 6 refused, 3 loss, 9 works"
    assert rows(page)[:2] == [
        "pc-i440fx-7.2 | 7.2 | ~ loss | ✓ works | ✓ works",
        "pc-i440fx-7.2 | 10.0.13 | ~ loss | ✓ works | ✗ refused",
    ]
    assert page.locator("#table button").count() == 18


def test_it_opens_at_the_worst(show: Open) -> None:
    page = show(alias())
    assert chosen(page) == "from QEMU 10.0.13 to QEMU 11.1, pc-i440fx-7.2: refused"
    told = page.locator("#pair").inner_text()
    assert "VQ 0 vring.num 1024 exceeds allocated max 256" in told and "rx_queue_size" in told
    assert "load of migration failed" in told


def test_a_click_shows_a_pair(show: Open) -> None:
    page = show(of_two())
    page.get_by_label("from QEMU 10.0.2 to QEMU 10.0.2, pc-i440fx-7.2: works unless").click()
    told = page.locator("#pair").inner_text()
    assert told.startswith("? works unless the guest negotiated VIRTIO_NET_F_CTRL_RX_EXTRA")
    assert "node1, QEMU 10.0.2" in told and "node2, QEMU 10.0.2" in told and "ctrl_rx_extra=on" in told


def test_the_keyboard_walks_the_pairs(show: Open) -> None:
    """One stop for Tab, arrows from there, and not beyond the edges."""
    page = show(alias())
    assert page.locator('#table [tabindex="0"]').count() == 1
    page.locator("#table button[aria-current]").focus()
    page.keyboard.press("ArrowLeft")
    assert chosen(page).startswith("from QEMU 10.0.13 to QEMU 10.0.13, pc-i440fx-7.2: works")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert chosen(page).startswith("from QEMU 7.2 to QEMU 7.2, pc-i440fx-7.2: works, with a loss")
    assert page.evaluate("document.activeElement.matches('#table button[aria-current]')")
    assert "the guest filters VLANs" in page.locator("#pair").inner_text()


def test_filters(show: Open) -> None:
    page = show(alias())
    page.locator("#machine").select_option("pc-i440fx-10.0")
    assert [row.split(" | ")[:2] for row in rows(page)] == [["pc-i440fx-10.0", "10.0.13"], ["pc-i440fx-10.0", "11.1"]]
    assert page.locator("#summary").inner_text() == "6 of 18 pairs shown"
    refused = page.locator("#outcomes button", has_text="refused")
    refused.click()
    assert refused.get_attribute("aria-pressed") == "false"
    assert page.locator("#summary").inner_text() == "3 of 18 pairs shown"
    page.locator("#outcomes button", has_text="works").first.click()
    assert rows(page) == []
    page.locator("#outcomes button", has_text="works").first.click()
    refused.click()
    page.locator("#machine").select_option("")
    assert page.locator("#summary").inner_text() == "18 pairs: 6 refused, 3 loss, 9 works"


def test_every_reason_is_on_the_page(show: Open) -> None:
    page = show(alias())
    told = page.locator("#reasons").inner_text()
    assert "QEMU 10.0.13 -> QEMU 11.1: pc-i440fx-7.2, pc-i440fx-10.0" in told
    assert page.locator("#reasons article").count() == len(reasons(alias()))


def test_headings_stay_when_it_is_scrolled(show: Open) -> None:
    page = show(of_two())
    page.set_viewport_size({"width": 700, "height": 900})
    page.locator("#table").evaluate("found => { found.scrollLeft = 10000; }")
    boxes = [one.bounding_box() for one in page.locator("#table tbody tr").first.locator("th").all()]
    edges = [(box["x"], box["x"] + box["width"]) for box in boxes if box is not None]
    host = page.locator("#table").bounding_box()
    assert host is not None and len(edges) == 3 and abs(edges[0][0] - host["x"]) < 1
    for (_, end), (begin, _) in pairwise(edges):
        assert abs(end - begin) < 1, "nothing shows between them"
    assert page.locator("#table").evaluate("found => found.scrollLeft") > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(show: Open, scheme: str) -> None:
    """Contrast of what is written in a cell, in either scheme."""
    page = show(of_two())
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for name in ("works", "unless", "fails_back", "loses"):
        found = page.locator(f"#outcomes .{name}").first
        assert found.evaluate(_CONTRAST) >= CONTRAST_MIN, name


def test_it_prints(show: Open) -> None:
    """The table and the reasons; neither the chosen pair nor what one chooses with."""
    page = show(alias())
    page.emulate_media(media="print")
    assert page.locator("#table").is_visible() and page.locator("#reasons").is_visible()
    assert not page.locator("#pair").is_visible() and not page.locator("#machine").is_visible()
    assert len(page.pdf()) > 10_000


def test_names_stay_text(show: Open) -> None:
    profiles = {ATTACK: machine(USER), "b": machine(f"{USER},ctrl_rx_extra=off")}
    page = show(vnetmig.matrix(profiles, qemu=["10.0.2"]))
    assert page.locator("img").count() == 0
    assert ATTACK in page.locator("#table").inner_text() and ATTACK in page.locator("#pair").inner_text()


_CONTRAST = """found => {
  const light = (text) => {
    const [r, g, b] = text.match(/[0-9.]+/g).map((one) => Number(one) / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(found);
  const [low, high] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""
