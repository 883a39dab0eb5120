"""The explorer in a browser: loaded within a second, silent, both ways between fields and bytes, and harmless."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pages import Explorer, browser
from playwright.sync_api import Browser
from real_streams import committed, folders, read, truth

import vnetmig
from vnetmig.document.sample import sample_memory
from vnetmig.document.stream import Stream
from vnetmig.report.html.explorer import explorer_page

pytestmark = pytest.mark.browser

NET = "0000:00:04.0/virtio-net"
LOAD_MAX = 1000
"""Milliseconds: what a page may take until its load event is over."""
SIZE_MAX = 20_000_000
ATTACK = "</script><img src=x onerror=alert(1)>"

Open = Callable[[str], Explorer]


@pytest.fixture(scope="module")
def started(chromium: str | None) -> Iterator[Browser]:
    with browser(chromium) as found:
        yield found


@pytest.fixture
def show(started: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a page's text. At the end of the test the page must have said nothing and asked for nothing."""
    context = started.new_context(viewport={"width": 1500, "height": 900})
    opened: list[Explorer] = []

    def open_page(text: str) -> Explorer:
        path = tmp_path / f"{len(opened)}.html"
        path.write_text(text, encoding="utf-8")
        opened.append(Explorer.of(context.new_page(), path))
        return opened[-1]

    yield open_page
    context.close()
    assert [said for explorer in opened for said in explorer.said] == []


def sample() -> tuple[Stream, bytes]:
    """(a stream of one's own, its bytes)"""
    stream = vnetmig.load(vnetmig.sample(), memory=sample_memory())
    return stream, stream.encode()


def place(path: str) -> tuple[int, int]:
    """(begin, end) of a field of the sample's virtio-net in the stream."""
    section = sample()[0].device(NET).section
    assert section.record is not None
    found = section.record.fields()[path]
    return section.record_offset + found.offset, section.record_offset + found.offset + found.size


@pytest.fixture(scope="module")
def net_page() -> str:
    stream, data = sample()
    return explorer_page(stream, data, name="sample", device=stream.device(NET).section, rings=True)


@pytest.fixture
def net(show: Open, net_page: str) -> Explorer:
    """The sample, opened at its virtio-net."""
    return show(net_page)


# size and time


def assert_quick(show: Open, folder: Path) -> None:
    text = explorer_page(vnetmig.load(read(folder)), read(folder), name=folder.name)
    explorer = show(text)
    load, ready = explorer.load_time(), explorer.ready_time()
    print(
        f"{folder.name}: {len(read(folder)):,} bytes, page of {len(text):,}: load {load:.0f} ms, ready {ready:.0f} ms"
    )
    assert len(text) < SIZE_MAX
    assert 0 < load < LOAD_MAX


def test_the_longest_stream(show: Open) -> None:
    committed_ones = [folder for folder in folders() if "stream" in truth(folder)]
    assert_quick(show, max(committed_ones, key=lambda folder: int(truth(folder)["stream"]["bytes"])))


def test_the_largest_devices(show: Open) -> None:
    assert_quick(show, committed("pseries-q111"))


def test_the_longest_of_all_captures(show: Open, captures: list[Path]) -> None:
    def packed_size(folder: Path) -> int:
        return sum(path.stat().st_size for path in folder.glob("stream.bin*"))

    assert_quick(show, max(captures, key=packed_size))


# fields and bytes


def test_it_opens_at_the_device(net: Explorer) -> None:
    assert net.title() == NET
    assert net.row("status").is_visible()
    assert "1341" in net.page.locator("#details table").inner_text(), "the rings"


def test_a_field_marks_its_bytes(net: Explorer) -> None:
    net.row("mac").click()
    assert net.marked() == list(range(*place("mac")))
    assert net.title() == "mac"
    assert net.page.locator(".cells .cursor").inner_text() == "52"


def test_a_struct_marks_all_its_bytes(net: Explorer) -> None:
    net.row("mac_table").click()
    assert net.marked() == list(range(place("allmulti")[1], place("vlans[0]")[0]))


def test_a_byte_finds_its_field(net: Explorer) -> None:
    net.row("mac").click()
    net.page.locator(f"#byte{place('net_status')[0] + 1}").click()
    assert net.title() == "net_status" and net.selected().startswith("net_status")
    assert net.marked() == list(range(*place("net_status")))
    net.page.locator(f".characters [data-byte='{place('promisc')[0]}']").click()
    assert net.title() == "promisc", "a character is as good"


def test_names_of_bits(net: Explorer) -> None:
    net.row("status").click()
    assert net.page.locator("#details .names li").all_inner_texts() == [
        "ACKNOWLEDGE",
        "DRIVER",
        "DRIVER_OK",
        "FEATURES_OK",
    ]


# the keyboard


def test_the_tree_by_keyboard(net: Explorer) -> None:
    net.page.locator("#tree").focus()
    press = net.page.keyboard.press
    press("ArrowDown")
    assert net.title() == "header"
    press("ArrowRight")
    press("ArrowRight")
    assert net.title() == "header.type"
    press("ArrowLeft")
    press("ArrowLeft")
    assert net.title() == "header" and net.row("instance_id").count() == 0
    press("End")
    assert net.title() == "vmdescription"
    press("Home")
    assert net.title() == "sample"
    chosen = net.page.locator("#tree").get_attribute("aria-activedescendant")
    assert net.page.locator(f"#{chosen}").get_attribute("aria-selected") == "true"


def test_the_bytes_by_keyboard(net: Explorer) -> None:
    net.row("mac").click()
    net.page.locator("#hex").focus()
    for _ in range(6):
        net.page.keyboard.press("ArrowRight")
    assert net.title() == "tx_waiting" and net.marked() == list(range(*place("tx_waiting")))
    net.page.keyboard.press("ArrowLeft")
    assert net.title() == "mac"
    assert net.page.locator("#hex").get_attribute("aria-activedescendant") == f"byte{place('mac')[1] - 1}"


def test_the_keyboard_steps_over_what_is_not_in_the_page(net: Explorer) -> None:
    net.page.locator("#hex").focus()
    net.page.keyboard.press("Home")
    assert net.title() == "file header.magic"
    visited = set()
    for _ in range(40):
        net.page.keyboard.press("ArrowDown")
        visited.add(net.title())
    assert {"RAM", "footer.type"} <= visited


# the search


def test_search_by_name_and_path(net: Explorer) -> None:
    assert any("last_avail_idx" in line for line in net.find("last_avail_idx"))
    console, this = net.find("vq[7].last_avail_idx")
    assert this.startswith("field 0x") and f"{NET}: vq[7].last_avail_idx" in this and "virtio-console" in console
    net.page.keyboard.press("ArrowDown")
    net.page.keyboard.press("ArrowDown")
    assert net.title() == "vq[7].last_avail_idx" and net.marked() == list(range(*place("vq[7].last_avail_idx")))


def test_search_by_value(net: Explorer) -> None:
    assert any("config.mac" in line for line in net.find("52:54:00:12:34:56"))
    assert any("curr_guest_offloads" in line for line in net.find(str(0x782))), "a number in either base"
    assert any("guest_features" in line for line in net.find("VIRTIO_NET_F_MQ")), "the name of a bit"


def test_search_by_offset(net: Explorer) -> None:
    begin, _ = place("vlans[1]")
    assert net.find(f"{begin + 2:#x}")[0].startswith(f"offset {begin + 2:#x} {NET}: vlans[1]")
    net.page.keyboard.press("Enter")
    assert net.title() == "vlans[1]"


def test_search_by_bytes(net: Explorer) -> None:
    found = net.find("52 54 00 12 34 56")
    places = [int(line.split()[1], 16) for line in found if line.startswith("bytes")]
    data = sample()[1]
    assert place("mac")[0] in places and all(data[at : at + 6].hex() == "525400123456" for at in places)
    assert found == net.find("525400123456")
    net.page.keyboard.press("Enter")
    assert net.marked() == list(range(places[0], places[0] + 6))


def test_search_for_nothing_that_is_there(net: Explorer) -> None:
    assert net.find("no such thing") == ["nothing found"]
    net.page.keyboard.press("Enter")
    net.page.keyboard.press("Escape")
    assert net.page.locator("#results").is_hidden() and net.title() == NET


# findings


def test_a_broken_stream_opens_at_the_fault(show: Open) -> None:
    data = sample()[1][:0x68040]  # inside of virtio-net's first queue
    stream = vnetmig.load(data, partial=True)
    explorer = show(explorer_page(stream, data, name="broken"))
    assert stream.error is not None
    assert explorer.title() == f"fault: {stream.error.message}"
    shown = explorer.page.locator("#findings .error").inner_text()
    assert stream.error.message in shown and f"offset {stream.error.offset:#x}" in shown
    explorer.row("config_vector").click()
    explorer.page.locator("#findings .error button").click()
    assert explorer.title().startswith("fault: ")
    assert explorer.marked() == list(range(stream.error.offset, len(data)))


def test_a_ring_finding_leads_to_its_queue(show: Open) -> None:
    stream, _ = sample()
    stream.device(NET)["vq[1].last_avail_idx"] = 60_000
    explorer = show(explorer_page(stream, stream.encode(), name="ring", rings=True))
    explorer.page.locator("#findings .warning button").click()
    assert explorer.title() == "vq[1]"
    assert "loads, device broken" in explorer.page.locator("#details table").inner_text()


# hostile text


def hostile_stream() -> bytes:
    """A stream whose idstr and whose field's name are markup."""
    name = ATTACK.encode()
    section = b"\4" + bytes(4) + bytes((len(name),)) + name + bytes(4) + b"\0\0\0\1" + b"<b>!" + b"\x7e" + bytes(4)
    device = {
        "name": ATTACK,
        "instance_id": 0,
        "vmsd_name": ATTACK,
        "version": 1,
        "fields": [{"name": ATTACK, "type": "uint32", "size": 4}],
    }
    text = json.dumps({"page_size": 4096, "devices": [device]}).encode()
    return b"QEVM\0\0\0\3" + section + b"\0\6" + len(text).to_bytes(4, "big") + text


def test_markup_from_a_stream_is_text(show: Open) -> None:
    data = hostile_stream()
    stream = vnetmig.load(data)
    assert stream.sections[0].record is not None
    explorer = show(explorer_page(stream, data, name=ATTACK, device=stream.sections[0]))
    assert explorer.page.title().startswith(ATTACK)
    assert explorer.title() == ATTACK
    assert explorer.row(ATTACK).count() == 3, "the stream, the section, the field"
    assert any(ATTACK in line for line in explorer.find("onerror"))
    explorer.page.keyboard.press("Enter")
    assert explorer.page.evaluate("document.images.length") == 0
    assert explorer.page.evaluate("document.scripts.length") == 2, "the data and the script"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(net: Explorer, scheme: str) -> None:
    """Contrast of the rows' text with what is behind it (WCAG 2.1, 1.4.3: 4.5), selected or not, in both schemes."""
    net.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    net.row("status").click()
    poor = net.page.evaluate(_CONTRAST)
    assert poor == []


_CONTRAST = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (at) => {
    for (; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const one of document.querySelectorAll("header *, main *, footer *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own) continue;
    const [a, b] = [luminance(channels(getComputedStyle(one).color)), luminance(ground(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${one.className || one.tagName}: ${one.textContent.slice(0, 30)}`);
  }
  return [...new Set(poor)];
}"""
