"""A page is one file, and its data can end nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from vnetmig.report.html.page import page

ATTACK = "</script><img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """Names of the elements, in order, and the attributes of all."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs


def elements(text: str) -> Elements:
    parser = Elements()
    parser.feed(text)
    return parser


def test_nothing_from_outside_becomes_markup() -> None:
    harmless = elements(page("title", "p{}", "<p>x</p>", "let x", b"data"))
    attacked = elements(page(ATTACK, "p{}", "<p>x</p>", "let x", ATTACK.encode()))
    assert attacked.names == harmless.names and "img" not in attacked.names


def test_nothing_is_loaded_and_nothing_handles_events_in_attributes() -> None:
    found = elements(page("title", "p{}", "<p>x</p>", "let x", b"data"))
    names = {name for name, _ in found.attributes}
    assert not names & {"src", "href", "action", "style"} and not any(name.startswith("on") for name in names)


def test_the_policy_allows_this_script_and_style_only() -> None:
    text = page("title", "p{}", "<p>x</p>", "let x", b"data")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None and "default-src 'none'" in policy[1]
    for tag in ("script", "style"):
        inside = re.findall(rf"<{tag}(?: type=\"module\")?>(.*?)</{tag}>", text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in inside]
        assert [f"{tag}-src 'sha256-{digest}'" in policy[1] for digest in digests] == [True]


@pytest.mark.parametrize(("style", "script"), [("</style>", ""), ("", "'</script>'"), ("", "'<!--'")])
def test_a_script_that_would_end_itself_is_refused(style: str, script: str) -> None:
    with pytest.raises(ValueError, match="end its own element"):
        page("title", style, "", script, b"")
