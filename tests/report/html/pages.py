"""Pages in headless Chromium, driven by playwright: what they said, how fast they were, what is in view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

PATIENCE = 30_000
"""Milliseconds until a page that does not answer fails its test."""


@contextmanager
def browser(chromium: str | None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium)
        yield started
        started.close()


def opened(page: Page, path: Path, shown: str) -> list[str]:
    """Open the file and wait until ``shown`` (a selector) is there. The list gets everything that the page says on the
    console, asks of the network or lets run in a dialog."""
    said: list[str] = []
    url = path.as_uri()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: said.append(f"request: {request.url}") if request.url != url else None)
    page.goto(url)
    page.wait_for_selector(shown)
    return said


@contextmanager
def silent_pages(started: Browser, width: int, folder: Path, shown: str) -> Iterator[Callable[[str], Page]]:
    """Opens pages' texts, each until ``shown`` is there. At the end none may have said or asked for anything."""
    context = started.new_context(viewport={"width": width, "height": 900})
    heard: list[list[str]] = []

    def open_page(text: str) -> Page:
        path = folder / f"page{len(heard)}.html"
        path.write_text(text, encoding="utf-8")
        page = context.new_page()
        heard.append(opened(page, path, shown))
        return page

    yield open_page
    context.close()
    assert [said for one in heard for said in one] == []


@dataclass
class Explorer:
    """One page of the explorer, and everything that it ``said``."""

    page: Page
    said: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page, path: Path) -> Explorer:
        return cls(page, opened(page, path, "#tree .row[aria-selected=true]"))

    def load_time(self) -> float:
        """Milliseconds from the start of the navigation to the end of the load event, by the page's own clock."""
        return float(self.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))

    def ready_time(self) -> float:
        """Milliseconds until the stream is shown."""
        return float(self.page.evaluate("performance.getEntriesByName('ready')[0].startTime"))

    def row(self, name: str) -> Locator:
        """Rows of the tree by exact name."""
        return self.page.locator("#tree .row").filter(has=self.page.locator(f".name:text-is('{name}')"))

    def selected(self) -> str:
        """The selected row: its cells."""
        return self.page.locator("#tree .row[aria-selected=true]").inner_text()

    def title(self) -> str:
        """What the details are about."""
        return self.page.locator("#details h2").inner_text()

    def marked(self) -> list[int]:
        """Offsets of the bytes that are marked, of those in view."""
        return [int(offset) for offset in self.page.eval_on_selector_all(".cells .marked", _OFFSETS)]

    def find(self, text: str) -> list[str]:
        """What the search lists."""
        self.page.keyboard.press("/")
        self.page.locator("#query").fill(text)
        self.page.wait_for_timeout(300)
        return [" ".join(line.split()) for line in self.page.locator("#results li").all_inner_texts()]


_OFFSETS = "found => found.map(one => one.dataset.byte)"
