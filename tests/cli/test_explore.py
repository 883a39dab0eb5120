"""`vnetmig inspect --html`: a page that holds what inspect says, written also for a broken stream."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import RINGS, SAMPLE, run, run_json, sample_bytes, stream_bytes

from vnetmig.report.html.columns import unpack
from vnetmig.report.html.data import BEFORE_RAM


def contents(page: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data in a page."""
    found = re.search(r'id="data">([^<]*)</script>', page.read_text(encoding="utf-8"))
    assert found is not None
    return unpack(base64.b64decode(found[1]))


def start(head: dict[str, Any], columns: dict[str, Any]) -> str:
    """The name of the node that the page opens at."""
    return str(head["strings"][columns["name"][head["start"]]])


def test_a_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    result = run("inspect", SAMPLE, "--html", page)
    assert result.exit_code == 0 and not result.stdout
    assert result.stderr == f"{page}: {page.stat().st_size} bytes written\n"
    head, columns = contents(page)
    assert start(head, columns) == SAMPLE.name
    assert not head["findings"]


def test_it_opens_at_the_device_with_its_rings(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    made = run_json("inspect", SAMPLE, "virtio-net", "--html", page, "--memory", RINGS)
    assert made == {"written": str(page), "size": page.stat().st_size, "error": None}
    head, columns = contents(page)
    assert start(head, columns) == "0000:00:04.0/virtio-net"
    assert [block.get("title") for block in head["blocks"][str(head["start"])]] == ["0000:00:04.0/virtio-net", "rings"]


def test_the_plain_bytes_and_the_packed_ones_make_the_same_page(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a" / "s.xz", tmp_path / "b" / "s.xz"
    for path, data in ((plain, sample_bytes()), (packed, SAMPLE.read_bytes())):
        path.parent.mkdir()
        path.write_bytes(data)
        assert run("inspect", path, "--html", path.with_suffix(".html")).exit_code == 0
    one, other = contents(plain.with_suffix(".html")), contents(packed.with_suffix(".html"))
    assert one[1] == other[1], "what is told of the wrapper is beside the columns"


def test_stdin(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    assert run("inspect", "-", "--html", page, stdin=stream_bytes()).exit_code == 0
    assert start(*contents(page)) == "stdin"


@pytest.mark.parametrize("device", [(), ("virtio-rng",)])
def test_a_broken_stream_is_shown_up_to_the_fault(tmp_path: Path, device: tuple[str, ...]) -> None:
    page = tmp_path / "out.html"
    result = run("inspect", "-", *device, "--html", page, stdin=sample_bytes()[:0x68040])
    assert result.exit_code == 3 and "at offset 0x" in result.stderr
    head, columns = contents(page)
    assert start(head, columns).startswith("fault: ")
    made = run_json("inspect", "-", "--html", page, stdin=sample_bytes()[:0x68040], code=3)
    assert made["error"]["section"] == "0000:00:04.0/virtio-net"


def test_a_damaged_wrapper(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    result = run("inspect", "-", "--html", page, stdin=SAMPLE.read_bytes()[:5000])
    assert result.exit_code == 3
    head, columns = contents(page)
    assert start(head, columns).startswith("fault: ")
    assert len(columns["bytes"]) <= BEFORE_RAM, "nothing says which of the unpacked bytes are guest memory"


def test_wrong_usage(tmp_path: Path, captures: list[Path]) -> None:
    assert run("inspect", SAMPLE, "virtio-gpu", "--html", tmp_path / "out.html").exit_code == 2
    result = run("inspect", SAMPLE, "--html", tmp_path / "no such folder" / "out.html")
    assert result.exit_code == 2 and "cannot write" in result.stderr
    folder = next(path for path in captures if path.name == "proxy-multifd-fw-q72")
    assert run("inspect", folder / "channel1.bin.xz", "--html", tmp_path / "out.html").exit_code == 2
    assert not list(tmp_path.iterdir())
