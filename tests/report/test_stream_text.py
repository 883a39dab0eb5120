"""What seldom stands in or around a stream is told of in text, in JSON and on the page."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from between import STREAMS, machine_of, sent_by

import vnetmig
from vnetmig.document.stream import Stream
from vnetmig.migration.source import Source
from vnetmig.report.html.data import Model, explore
from vnetmig.report.json import pieces
from vnetmig.report.ram import RamSummary
from vnetmig.report.stream_json import block_json, stream_json
from vnetmig.report.stream_text import _ram, command_text, stream_blocks
from vnetmig.report.text import plain
from vnetmig.stream.commands import PostcopyAdvise, RecvBitmap
from vnetmig.stream.configuration import ConfigurationBody, TargetPageBits, Uuid
from vnetmig.stream.libvirt import LibvirtImage
from vnetmig.stream.ram_words import Block

RARE = ConfigurationBody("pc", (TargetPageBits(16), Uuid(bytes(range(16)))))
DATA = b"QEVM\0\0\0\3\x07" + RARE.encode() + b"\0" + b"behind"


def said(stream: Stream) -> list[str]:
    return [" ".join(line.split()) for line in plain(stream_blocks(stream))]


def as_json(stream: Stream) -> Any:
    return json.loads("".join(pieces(stream_json(stream))))


def values(model: Model) -> dict[str, str]:
    return {node.name: node.value for _, node in model.root.walk()}


def test_rare_subsections_and_bytes_behind_the_end() -> None:
    stream = vnetmig.load(DATA)
    lines, made, shown = said(stream), as_json(stream), values(explore(stream, DATA))
    assert "target page bits 16" in lines and f"uuid {bytes(range(16)).hex()}" in lines
    assert "behind the end 6 bytes that no loader reads" in lines
    assert made["configuration"]["target_page_bits"] == 16 and made["trailing"] == 6
    assert made["configuration"]["uuid"] == bytes(range(16)).hex()
    assert shown["bits"] == "16" and shown["uuid"] and shown["behind the end"] == "no loader reads it"


def test_a_stream_without_a_section_of_devices_is_whole() -> None:
    assert vnetmig.load(DATA).encode() == DATA


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (LibvirtImage(b"<domain/>", 1), "format raw, guest was running"),
        (LibvirtImage(b"<domain/>", 0, complete=False), "INCOMPLETE: libvirt was still writing it"),
    ],
)
def test_a_libvirt_image(image: LibvirtImage, words: str) -> None:
    stream = vnetmig.load(image.encode() + DATA)
    assert any(words in line for line in said(stream))
    assert f"{image.size} bytes in front of the stream: domain XML of 9 bytes" in said(stream)
    assert as_json(stream)["wrappers"][0]["complete"] is image.complete
    told = [finding.text for finding in explore(stream, DATA).findings]
    assert (told == []) is image.complete and all("it is incomplete" in each for each in told)


def test_a_cookie_is_named() -> None:
    image = replace(LibvirtImage(b"<domain/>", 1), cookie=b"<cookie/>")
    assert any(line.endswith("domain XML of 9 bytes, cookie") for line in said(vnetmig.load(image.encode() + DATA)))


def test_a_compressed_stream() -> None:
    stream = vnetmig.load(gzip.compress(DATA))
    assert "compressed gzip" in said(stream)
    assert as_json(stream)["wrappers"] == [{"kind": "compressed", "format": "gzip"}]


def test_rare_commands() -> None:
    assert command_text(PostcopyAdvise()) == "dirty bitmaps only"
    assert command_text(RecvBitmap("pc.ram")) == "pc.ram"


def test_frames_have_their_head_in_front_of_their_data() -> None:
    data = sent_by(Source(machine_of(STREAMS / "rfc-user-1q"), "iterative-delta"))
    stream = vnetmig.load(data)
    flags = {(each["idstr"], each["type"]): each.get("flags") for each in as_json(stream)["sections"]}
    assert flags["0000:00:02.0/virtio-net", "full"][0] == "DELTA"
    shown = values(explore(stream, data))
    assert shown["#flag"] and {"#base", "#identity", "#length"} <= shown.keys()


def test_ram_of_which_little_is_known() -> None:
    told = [" ".join(line.split()) for line in plain(_ram(RamSummary(1, 10)))]
    assert told == ["ram", "payload 10 bytes in 1 sections", "words none"]
    assert block_json(Block("pc.ram", 4096, page_size=1 << 21))["page_size"] == 1 << 21
